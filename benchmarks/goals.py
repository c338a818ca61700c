"""The goals the product set itself, and whether the measured figures meet them. A missed goal is reported as missed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from benchmarks.figures import Table, shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """One goal on one figure: at most `limit`, or at least, when `at_least`."""

    key: str
    text: str
    limit: float
    unit: str
    at_least: bool = False

    def met(self, value: float) -> bool:
        """Whether the figure meets the goal; the limit itself does."""
        return value >= self.limit if self.at_least else value <= self.limit


GOALS: Final = (
    Goal(key="decide_p50", text="signals + decide, 440 characters, 3 targets, p50", limit=60, unit="us"),
    Goal(key="decide_p99", text="the same, p99", limit=500, unit="us"),
    Goal(
        key="scan_per_1k",
        text="personal data and guard scan per extra 1,000 characters",
        limit=100,
        unit="us",
    ),
    Goal(key="gateway_cpu", text="gateway CPU per proxied chat completion, all on", limit=250, unit="us"),
    Goal(key="help", text="`tierwise --help`", limit=0.3, unit="s"),
    Goal(key="ready", text="ready to serve", limit=1.5, unit="s"),
    Goal(key="rest", text="resident memory at rest", limit=150, unit="MB"),
    Goal(
        key="three_days_left", text="restricted questions of 72 hours that left the phone", limit=0, unit=""
    ),
    Goal(
        key="jobs_scaling",
        text="jobs of a 200 ms model, four workers against one",
        limit=3.6,
        unit="x",
        at_least=True,
    ),
    Goal(key="loop_hold", text="event loop held while a device model answers, longest", limit=5, unit="ms"),
    Goal(
        key="gate_worst",
        text="deliberation's gate over the better of never and always asking, worst cell of the grid",
        limit=-0.002,
        unit="",
        at_least=True,
    ),
    Goal(
        key="gate_better",
        text="cells of the grid in which the gate is better than both",
        limit=0.5,
        unit="",
        at_least=True,
    ),
    Goal(
        key="model_exact_values",
        text="device model, new values, whole JSON exact",
        limit=98,
        unit="%",
        at_least=True,
    ),
    Goal(
        key="model_exact_phrasing",
        text="device model, second grammar, whole JSON exact",
        limit=85,
        unit="%",
        at_least=True,
    ),
    Goal(key="model_refused", text="device model, conversation refused", limit=98, unit="%", at_least=True),
    Goal(key="model_parse", text="device model, a command on one thread, p50", limit=3, unit="ms"),
    Goal(key="model_memory", text="device model, process with the model hot", limit=120, unit="MB"),
    Goal(key="cold_router", text="cold Lambda function of the router, first event", limit=400, unit="ms"),
    Goal(key="times_nginx", text="CPU per request against nginx `proxy_pass`", limit=10, unit="x"),
    Goal(
        key="times_portkey",
        text="requests per CPU second against Portkey",
        limit=6,
        unit="x",
        at_least=True,
    ),
    Goal(
        key="times_litellm",
        text="requests per CPU second against LiteLLM's proxy",
        limit=70,
        unit="x",
        at_least=True,
    ),
    Goal(
        key="interval_least",
        text="95% intervals hold the truth, least of all studies",
        limit=93,
        unit="%",
        at_least=True,
    ),
    Goal(key="interval_most", text="the same, most of all studies", limit=97, unit="%"),
    Goal(key="worse_refused", text="a worse policy is refused", limit=99, unit="%", at_least=True),
    Goal(key="canary_reach", text="requests that reach a canary of 3 times the cost", limit=1, unit="%"),
    Goal(key="drift_regret", text="regret under drift, of the frozen router's", limit=1 / 3, unit="x"),
    Goal(key="drift_regret_few", text="the same with 10% judged", limit=1 / 3, unit="x"),
    Goal(key="lies_regret", text="regret that 30% lying judges add", limit=5, unit="%"),
    Goal(
        key="injections_caught",
        text="injections of known kinds that are caught",
        limit=95,
        unit="%",
        at_least=True,
    ),
    Goal(key="innocent_refused", text="innocent look-alikes taken for one", limit=5, unit="%"),
    Goal(
        key="personal_found",
        text="personal data found, least of all kinds",
        limit=95,
        unit="%",
        at_least=True,
    ),
)


def judged(figures: Mapping[str, float]) -> Table:
    """Every goal beside what was measured; what was not measured in this run says so."""
    return Table(
        title="Goals",
        header=("what", "goal", "measured", "verdict"),
        rows=tuple(_row(goal, figures.get(goal.key)) for goal in GOALS),
    )


def _row(goal: Goal, value: float | None) -> tuple[str, ...]:
    limit = f"{'>=' if goal.at_least else '<='} {goal.limit:g} {goal.unit}"
    if value is None:
        return goal.text, limit, "-", "not measured"
    return goal.text, limit, f"{shown(value)} {goal.unit}", "met" if goal.met(value) else "**not met**"
