"""Whether a canary does harm: judged after every request if need be, and never wrong because it was judged often.

Two arms, stable and canary, each a few sums, so that processes add theirs up. Every metric (cost, errors, latency, quality)
has its own asymptotic confidence sequence on `canary - limit x stable`; together they err in 1% of all harmless canaries
over their whole life (`ALPHA`). What is surely above its limit ends the canary.

While it is not yet known to be harmless, a canary that climbs in steps (`ramp`) gets a half percent of the sessions, and
then no more than one request in 20,000 for each that it has served without harm: whatever it does, little of all is lost.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, field
from typing import Any, Final, Literal

from router_core.learning.confidence_sequence import Interval, Moments, around, factor
from router_core.record import dataclass

Arm = Literal["stable", "canary"]
METRICS: Final = ("cost_usd", "errors", "latency_ms", "quality")
ALPHA: Final = 0.01
TUNED_TO: Final = 100.0
LEAST: Final = 30
"""Values of the canary below which nothing is concluded: so few say nothing of a mean with a long tail."""
FIRST_SHARE: Final = 0.005
REQUESTS_PER_SHARE: Final = 20_000.0
LONGEST_MS: Final = 60_000.0
"""Longer answers count as this: one that hangs must not hide what all others say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What a canary may do: `times` the stable mean plus `more`. `quality` is counted as what is missing to 1."""

    times: float = 1.0
    more: float = 0.0


HARM: Final[Mapping[str, Limit]] = {
    "cost_usd": Limit(times=1.25),
    "errors": Limit(more=0.01),
    "latency_ms": Limit(times=1.25),
    "quality": Limit(more=0.02),
}
"""Surely above one of these: rolled back."""
CALM: Final[Mapping[str, Limit]] = {
    "cost_usd": Limit(times=2.0),
    "errors": Limit(more=0.05),
    "latency_ms": Limit(times=2.0),
    "quality": Limit(more=0.15),
}
"""Surely below all of these: may have more sessions."""


def _none() -> dict[str, Moments]:
    return {metric: Moments() for metric in METRICS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """What one arm has shown, by metric; errors and quality lost in [0, 1]."""

    metrics: Mapping[str, Moments] = field(default_factory=_none)

    def with_values(self, values: Mapping[str, float]) -> Sums:
        """With one request's values, of the metrics that it tells."""
        told = {name: self.metrics[name].with_value(figure) for name, figure in values.items()}
        return Sums(metrics={**self.metrics, **told})

    def __add__(self, other: Sums) -> Sums:
        return Sums(metrics={name: self.metrics[name] + other.metrics[name] for name in METRICS})

    @property
    def requests(self) -> float:
        """Requests that ended, as errors count all of them."""
        return self.metrics["errors"].count


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Both arms."""

    stable: Sums = field(default_factory=Sums)
    canary: Sums = field(default_factory=Sums)

    def fold(self, arm: Arm, record: Mapping[str, Any]) -> Trial:
        """With an outcome or quality record of a request that `arm` decided; others change nothing."""
        values = told(record)
        if not values:
            return self
        stable = self.stable.with_values(values) if arm == "stable" else self.stable
        canary = self.canary.with_values(values) if arm == "canary" else self.canary
        return Trial(stable=stable, canary=canary)

    def __add__(self, other: Trial) -> Trial:
        return Trial(stable=self.stable + other.stable, canary=self.canary + other.canary)


@dataclass(frozen=True, slots=True, kw_only=True)
class Harm:
    """The metric that is surely above its limit, and why in a sentence."""

    metric: str
    why: str


def told(record: Mapping[str, Any]) -> dict[str, float]:
    """What one record says of its arm."""
    kind = record.get("kind")
    if kind == "quality":
        score = record.get("score")
        return {"quality": 1.0 - min(1.0, max(0.0, float(score or 0.0)))} if _is_number(score) else {}
    if kind != "outcome" or record.get("status") not in ("completed", "failed"):
        return {}
    failed = record["status"] == "failed"
    values = {"errors": float(failed)}
    if record.get("cache") == "hit":
        return values
    if _is_number(record.get("cost_usd")):
        values["cost_usd"] = max(0.0, float(record["cost_usd"]))
    if not failed and _is_number(record.get("latency_ms")):
        values["latency_ms"] = min(LONGEST_MS, max(0.0, float(record["latency_ms"])))
    return values


def harm(trial: Trial) -> Harm | None:
    """What ends the canary now, None while nothing does."""
    for metric, limit in HARM.items():
        above = _above(trial, metric, limit)
        if above is not None and above.low > 0.0:
            stable, canary = trial.stable.metrics[metric], trial.canary.metrics[metric]
            return Harm(
                metric=metric,
                why=f"{_called(metric)} {_shown(metric, canary.mean)} against {_shown(metric, stable.mean)} after "
                f"{canary.count:.0f} requests of the canary (99% sequential bound)",
            )
    return None


def allowed_share(trial: Trial) -> float:
    """The largest part of the sessions that what is known allows."""
    calm = trial.canary.requests >= LEAST and all(_is_calm(trial, metric) for metric in CALM)
    earned = trial.canary.requests / REQUESTS_PER_SHARE
    return max(FIRST_SHARE, min(1.0, earned)) if calm else FIRST_SHARE


def _is_calm(trial: Trial, metric: str) -> bool:
    """A metric that nobody tells is not held against the canary: judges and prices may be missing."""
    above = _above(trial, metric, CALM[metric])
    if above is None:
        return metric == "quality" or trial.canary.metrics[metric].count < 1.0
    return above.high <= 0.0


def _above(trial: Trial, metric: str, limit: Limit) -> Interval | None:
    """By how much the canary is above the limit; None with too few values."""
    stable, canary = trial.stable.metrics[metric], trial.canary.metrics[metric]
    if canary.count < LEAST or stable.count < LEAST:
        return None
    error = canary.error + limit.times * limit.times * stable.error
    reach = factor(min(canary.count, stable.count), ALPHA / len(METRICS), TUNED_TO)
    return around(canary.mean - limit.times * stable.mean - limit.more, math.sqrt(error) * reach)


def _called(metric: str) -> str:
    return {"cost_usd": "cost", "errors": "error rate", "latency_ms": "latency", "quality": "quality"}[metric]


def _shown(metric: str, mean: float) -> str:
    if metric == "quality":
        return f"{1.0 - mean:.3f}"
    return {"cost_usd": f"${mean:.6f}", "latency_ms": f"{mean:.0f} ms"}.get(metric, f"{mean:.2%}")


def to_value(trial: Trial) -> bytes:
    """As a state store keeps it."""
    arms = {"stable": trial.stable, "canary": trial.canary}
    document = {
        arm: {name: list(asdict(moments).values()) for name, moments in sums.metrics.items()}
        for arm, sums in arms.items()
    }
    return json.dumps(document, separators=(",", ":")).encode()


def from_value(value: bytes) -> Trial:
    """Read `to_value` back. Raises ValueError for anything else."""
    try:
        read = json.loads(value)
        return Trial(stable=_sums(read["stable"]), canary=_sums(read["canary"]))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a trial: {type(error).__name__}") from error


def _sums(read: Mapping[str, Any]) -> Sums:
    metrics = {}
    for name in METRICS:
        count, total, squares = (float(figure) for figure in read[name])
        metrics[name] = Moments(count=count, total=total, squares=squares)
    return Sums(metrics=metrics)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
