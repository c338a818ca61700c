"""Where records go beside the log: the event stream, and metrics in CloudWatch's own format.

Decides who counts: with a stream, its consumer turns every record into metrics, so the gateway itself tells only what no
record holds. Both together would count each request twice.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from gateway.settings.schema import EventSettings
from router_core.adapters.events.fan_out import FanOutEventSink
from router_core.deployment import ENV
from router_core.errors import ConfigurationError, StoreError
from router_core.learning.interval_figures import interval_figures
from router_core.monitoring import MonitorSnapshot
from router_core.ports import EventSink
from router_core.record import dataclass

if TYPE_CHECKING:
    from router_core.adapters.aws.cloudwatch_emf import EmfEventSink
    from router_core.adapters.aws.kinesis_event_sink import KinesisEventSink

EMF_AGENT: Final = "AWS_EMF_AGENT_ENDPOINT"
"""AWS's own name for where a CloudWatch agent listens; unset means standard output."""
LOCAL: Final = "local"
"""The environment's name in metrics where none is given."""
Look = Callable[[], MonitorSnapshot]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """Sinks that send records elsewhere. Closing them is the matter of whoever closes `behind`."""

    stream: KinesisEventSink | None = None
    metrics: EmfEventSink | None = None

    def behind(self, *sinks: EventSink) -> EventSink:
        """All of `sinks` and these as one."""
        others = [sink for sink in (self.stream, self.metrics) if sink is not None]
        return sinks[0] if len(sinks) == 1 and not others else FanOutEventSink(*sinks, *others)

    def watch(self, look: Look) -> None:
        """From now on metrics also tell what the process does; `look` is called on the sink's own thread."""
        if self.metrics is not None:
            self.metrics.watch(_Since(look))


async def open_leaving(settings: EventSettings, environ: Mapping[str, str] = os.environ) -> Leaving:
    """What the settings name; nothing of AWS is imported without. Raises `ConfigurationError`."""
    stream = None if settings.kinesis is None else await asyncio.to_thread(_stream, settings.kinesis)
    metrics = _metrics(environ, records=stream is None) if settings.emf else None
    return Leaving(stream=stream, metrics=metrics)


def _stream(name: str) -> KinesisEventSink:
    if find_spec("boto3") is None:
        raise ConfigurationError("settings: events.kinesis needs its package: pip install 'tierwise[aws]'")
    from router_core.adapters.aws.client import aws_client
    from router_core.adapters.aws.kinesis_event_sink import KinesisEventSink

    try:
        return KinesisEventSink(aws_client("kinesis"), name)
    except StoreError as error:
        raise ConfigurationError(f"settings: events.kinesis: {error}") from None


def _metrics(environ: Mapping[str, str], *, records: bool) -> EmfEventSink:
    from router_core.adapters.aws.cloudwatch_emf import EmfEventSink, write_to

    write = write_to(environ.get(EMF_AGENT))
    return EmfEventSink(environ.get(ENV) or LOCAL, write, records=records)


class _Since:
    """Figures since the last time they were asked for."""

    def __init__(self, look: Look) -> None:
        self._look, self._before = look, look()

    def __call__(self) -> list[tuple[str, float]]:
        now = self._look()
        before, self._before = self._before, now
        return interval_figures(before, now)
