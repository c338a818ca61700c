"""Lays the rows out on one dashboard per environment: graphs of equal width, the alarms on top."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from aws_cdk import aws_cloudwatch as cw
from constructs import Construct

from infra.constructs.dashboard_rows import Graph, rows
from infra.constructs.watched import Watched
from router_core.deployment import resource_name

_WIDTH: Final = 24
_HEIGHT: Final = 6
_PER_LINE: Final = 4


def lay_out(scope: Construct, id: str, *, watched: Watched, alarms: Iterable[cw.IAlarmRule]) -> cw.Dashboard:
    """The dashboard `tierwise-ENV`."""
    dashboard = cw.Dashboard(
        scope,
        id,
        dashboard_name=resource_name(watched.env, "overview"),
        period_override=cw.PeriodOverride.INHERIT,
    )
    states = [alarm for alarm in alarms if isinstance(alarm, cw.AlarmBase)]
    dashboard.add_widgets(cw.AlarmStatusWidget(alarms=states, width=_WIDTH, height=4, title="Alarms"))
    for title, graphs in rows(watched):
        dashboard.add_widgets(cw.TextWidget(markdown=f"## {title}", width=_WIDTH, height=1))
        for first in range(0, len(graphs), _PER_LINE):
            line = graphs[first : first + _PER_LINE]
            dashboard.add_widgets(*(_drawn(graph, _WIDTH // len(line)) for graph in line))
    return dashboard


def _drawn(graph: Graph, width: int) -> cw.GraphWidget:
    return cw.GraphWidget(
        title=graph.title,
        left=list(graph.left),
        right=list(graph.right),
        width=width,
        height=_HEIGHT,
        left_y_axis=cw.YAxisProps(min=0, show_units=False),
    )
