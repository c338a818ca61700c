"""What the targets of a decision were expected to do, asked again where an answer must be weighed against the next one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from agents.attempts import Job
from router_core.record import dataclass
from router_core.resources import TargetSpec
from router_core.routing.objective import weigh


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """Milliseconds to a whole answer, and the chance that it is good."""

    latency_ms: float
    quality: float


def forecast(job: Job) -> Mapping[str, Expected]:
    """By target, from the snapshot of the decision; empty where that is not known."""
    if job.table is None:
        return {}
    weighed = weigh(replace(job.context, stream=False), job.table, ())
    rows = zip(job.table.names, weighed.latency_ms, weighed.quality, strict=True)
    return {name: Expected(latency_ms=ms, quality=quality) for name, ms, quality in rows}


def affordable(job: Job, spec: TargetSpec, beside_usd: float = 0.0) -> bool:
    """Whether the request's budget bears one more attempt, whatever it writes."""
    return job.ledger.cost_usd + beside_usd + job.most_usd(spec) <= job.budget_usd
