"""Whether a policy may replace the one in force: better, worse, or not enough evidence.

Better needs a lower bound: quality is not worse than in force by more than the tolerance (none unless somebody allows it),
and something is gained: quality, or else cost or time. Worse is an upper bound below the policy in force, over all
requests or for one class or tenant; or a broken constraint. Everything else is not enough evidence. Bounds are those of
confidence sequences, so that looking every day and promoting on the first good one is no trick.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from router_core.inference import TIERS
from router_core.learning.confidence_sequence import ALPHA, Interval
from router_core.learning.off_policy.columns import METRICS, Columns, Counts
from router_core.learning.off_policy.estimators import Value, quantiles, summary, value
from router_core.record import dataclass

Word = Literal["better", "worse", "not enough evidence", "no evidence"]
"""`no evidence` is what is said where no decision at all is on record: nothing was weighed."""
SHARES: Final = (0.5, 0.95, 0.99)
SIDES: Final = ("new", "old", "difference")
GROUPS: Final = 20
"""Tenants, and classes, that are shown and judged by themselves: the busiest."""
LEAST_JUDGED: Final = 100
LEAST_EFFECTIVE: Final = 50.0
NOISE_FREE: Final = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A group of decisions under both policies. `values` by metric and side (`new`, `old`, `difference`); `latency` by side
    and percentile; `tiers` by side, as shares; `estimates` of the new policy's quality by estimator."""

    group: str
    decisions: int
    changed: float
    values: Mapping[str, Mapping[str, Value]]
    latency: Mapping[str, Mapping[float, tuple[float, Interval]]]
    tiers: Mapping[str, Mapping[str, float]]
    estimates: Mapping[str, float]

    @property
    def gain(self) -> Value:
        """Quality of the new policy less that of the old."""
        return self.values["quality"]["difference"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    word: Word
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that a log says about replacing `old` by `new`, both named by their labels."""

    new: str
    old: str
    verdict: Verdict
    overall: Finding
    groups: tuple[Finding, ...]
    counts: Counts
    blind: tuple[str, ...] = field(default=())

    @property
    def violations(self) -> int:
        return sum(self.counts.violations.values())


def evidence(
    columns: Columns, counts: Counts, labels: tuple[str, str], tolerance: float, blind: tuple[str, ...]
) -> Evidence:
    """Sum the replayed decisions up. `blind` names what the policies differ in and a log can't show."""
    groups = columns.groups(GROUPS)
    everything = np.ones(len(columns), dtype=np.bool_)
    overall = finding("all", columns, everything, ALPHA)
    # Many groups are looked at, and each gets its part of the error.
    found = tuple(
        finding(name, columns, where, ALPHA / max(1, len(groups))) for name, where in groups.items()
    )
    return Evidence(
        new=labels[0],
        old=labels[1],
        verdict=verdict(overall, found, counts, tolerance),
        overall=overall,
        groups=found,
        counts=counts,
        blind=blind,
    )


def finding(group: str, columns: Columns, where: NDArray[np.bool_], alpha: float) -> Finding:
    """One group's figures; each metric over the decisions that tell it."""
    values: dict[str, dict[str, Value]] = {}
    for metric in METRICS:
        told = where & np.isfinite(columns[f"{metric}.seen"])
        values[metric] = {side: value(columns.rows(metric, side).of(told), alpha) for side in SIDES}
    judged = where & np.isfinite(columns["quality.seen"])
    timed = where & np.isfinite(columns["latency_ms.seen"])
    count = int(where.sum())
    return Finding(
        group=group,
        decisions=count,
        changed=float(columns["changed"][where].mean()) if count else 0.0,
        values=values,
        latency={
            side: quantiles(columns["latency_ms.seen"][timed], columns[f"weight.{side}"][timed], SHARES)
            for side in ("new", "old")
        },
        tiers={
            side: {tier: float(columns[f"{side}.{tier}"][where].mean()) if count else 0.0 for tier in TIERS}
            for side in ("new", "old")
        },
        estimates=summary(columns.rows("quality", "new").of(judged)),
    )


def verdict(overall: Finding, groups: tuple[Finding, ...], counts: Counts, tolerance: float) -> Verdict:
    """See the module."""
    broken = sum(counts.violations.values())
    if broken:
        return Verdict(word="worse", why=f"{broken} choices break a constraint")
    if overall.decisions and overall.changed <= NOISE_FREE:
        return Verdict(
            word="not enough evidence", why="no decision in the log would change, so it can't show what does"
        )
    harmed = [one for one in (overall, *groups) if _solid(one) and one.gain.sequence.high < 0.0]
    if harmed:
        worst = min(harmed, key=lambda one: one.gain.sequence.high)
        return Verdict(
            word="worse",
            why=f"quality falls by {-worst.gain.sequence.high:.4f} or more ({worst.group})",
        )
    gain = overall.gain
    if not _solid(overall):
        return Verdict(
            word="not enough evidence",
            why=f"{gain.count} judged decisions, worth {gain.effective:.0f} tries of what would change; {LEAST_JUDGED} and "
            f"{LEAST_EFFECTIVE:.0f} are needed",
        )
    return _weighed(overall, tolerance)


def _weighed(overall: Finding, tolerance: float) -> Verdict:
    gain = overall.gain
    if gain.sequence.low > 0.0:
        return Verdict(word="better", why=f"quality rises by {gain.sequence.low:.4f} or more")
    if gain.sequence.low < -tolerance:
        loss = "any amount" if math.isinf(gain.sequence.low) else f"{-gain.sequence.low:.4f}"
        return Verdict(word="not enough evidence", why=f"quality may fall by {loss}")
    for metric, called in (("cost_usd", "cost"), ("latency_ms", "latency")):
        if overall.values[metric]["difference"].sequence.high < 0.0:
            return Verdict(word="better", why=f"quality holds within the tolerance, and {called} falls")
    return Verdict(
        word="not enough evidence", why="quality holds within the tolerance, but nothing is gained for sure"
    )


def _solid(found: Finding) -> bool:
    """Enough judged decisions, among them enough tries of what would change, for the bounds to mean something."""
    return found.gain.count >= LEAST_JUDGED and found.gain.effective >= LEAST_EFFECTIVE
