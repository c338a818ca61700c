"""What all gateways together have learned of a target, so that a new one need not start from priors.

The stream's consumer folds every outcome and judgement once and keeps one small value per target; a gateway reads it
beside its own estimates. Qualities are kept as a mean score, not as a difference: only the reader knows what it
expected of the target.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any, Final

from router_core.events import FIGURES
from router_core.execution import ANSWERED, FAULTLESS
from router_core.learning.estimates import (
    QUALITY_BOUND,
    QUALITY_RATE,
    Estimates,
    Timing,
    fold_outcome,
)
from router_core.ports import StateStore
from router_core.record import dataclass

CONVINCED: Final = 200
"""Own observations from which a gateway's view of a target counts as much as everybody's."""
_TTFT: Final = FIGURES.index("ttft_ms")
_TOKENS: Final = FIGURES.index("completion_tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedEstimates:
    """`estimates` without quality; `score` is the moving mean of judgements in [0, 1], None before the first."""

    estimates: Estimates = Estimates()
    score: float | None = None
    judged: int = 0


def estimates_key(target: str) -> str:
    """The key in the state store."""
    return f"estimates#{target}"


def fold_records(
    known: Mapping[str, SharedEstimates], records: Iterable[Mapping[str, Any]]
) -> dict[str, SharedEstimates]:
    """What the records teach, on top of `known`; only targets they speak of. The records have passed `measure`."""
    learned: dict[str, SharedEstimates] = {}
    for record in sorted(records, key=lambda record: float(record["time"])):
        if record["kind"] == "quality":
            target = record["target"]
            learned[target] = _judged(learned.get(target) or known.get(target) or UNSEEN, record["score"])
        elif record["kind"] == "outcome":
            rows = record.get("attempt_figures") or [None] * len(record["attempts"])
            for attempt, row in zip(record["attempts"], rows, strict=False):
                target = attempt["target"]
                before = learned.get(target) or known.get(target) or UNSEEN
                learned[target] = replace(before, estimates=_tried(before.estimates, attempt, row))
    return learned


def touched(records: Iterable[Mapping[str, Any]]) -> set[str]:
    """The targets of which `fold_records` will tell something."""
    targets = set()
    for record in records:
        if record["kind"] == "quality":
            targets.add(record["target"])
        elif record["kind"] == "outcome":
            targets |= {attempt["target"] for attempt in record["attempts"]}
    return targets


def merge(one: SharedEstimates, two: SharedEstimates) -> SharedEstimates:
    """Two views of one target as one, each weighing as much as it has seen; order does not matter."""
    a, b = one.estimates, two.estimates
    samples, timed = a.samples + b.samples, a.timed + b.timed
    return SharedEstimates(
        estimates=Estimates(
            ttft_ms=_mean(a.ttft_ms, a.timed, b.ttft_ms, b.timed),
            decode_ms=_mean(a.decode_ms, a.timed, b.decode_ms, b.timed),
            error_rate=_mean(a.error_rate, a.samples, b.error_rate, b.samples) or 0.0,
            samples=samples,
            timed=timed,
        ),
        score=_mean(one.score, one.judged, two.score, two.judged),
        judged=one.judged + two.judged,
    )


def blend(own: Estimates, shared: SharedEstimates, *, quality_prior: float) -> Estimates:
    """A gateway's own estimates with everybody's behind them: the less it has seen itself, the more the others
    count; from `CONVINCED` observations on both count alike. `quality_prior` is the target's chance of a good answer
    as configured."""
    others = shared.estimates
    share = 1.0 - 0.5 * min(1.0, own.samples / CONVINCED)
    told = shared.judged / (shared.judged + 1.0 / QUALITY_RATE)
    delta = 0.0 if shared.score is None else told * (shared.score - quality_prior)
    judged = 1.0 - 0.5 * min(1.0, own.judged / CONVINCED)
    return replace(
        own,
        ttft_ms=_towards(own.ttft_ms, others.ttft_ms, share),
        decode_ms=_towards(own.decode_ms, others.decode_ms, share),
        # Errors are the moment's: everybody's are old news to a gateway that asks the target itself.
        error_rate=own.error_rate if own.samples else others.error_rate,
        quality_delta=own.quality_delta
        if shared.score is None
        else own.quality_delta + judged * (_bounded(delta) - own.quality_delta),
    )


def to_value(shared: SharedEstimates) -> bytes:
    """As the state store keeps it."""
    return json.dumps(asdict(shared), separators=(",", ":")).encode()


def from_value(value: bytes) -> SharedEstimates:
    """Read `to_value` back. Raises ValueError for anything else."""
    try:
        read = json.loads(value)
        score = read["score"]
        return SharedEstimates(
            estimates=Estimates(**read["estimates"]),
            score=None if score is None else float(score),
            judged=int(read["judged"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a target's estimates: {type(error).__name__}") from error


async def load(store: StateStore, targets: Iterable[str]) -> dict[str, SharedEstimates]:
    """What is known of each target; those nobody has told of, or whose value can't be read, are left out.
    Raises `StoreError`."""
    found = {}
    for target in targets:
        stored = await store.get(estimates_key(target))
        if stored is not None:
            try:
                found[target] = from_value(stored.value)
            except ValueError:
                continue
    return found


UNSEEN: Final = SharedEstimates()


def _judged(shared: SharedEstimates, score: float) -> SharedEstimates:
    bounded = min(1.0, max(0.0, float(score)))
    rate = max(QUALITY_RATE, 1.0 / (shared.judged + 1))
    mean = bounded if shared.score is None else shared.score + rate * (bounded - shared.score)
    return replace(shared, score=mean, judged=shared.judged + 1)


def _tried(estimates: Estimates, attempt: Mapping[str, Any], row: list[Any] | None) -> Estimates:
    good = attempt["outcome"] in ANSWERED
    timing = None
    if good and row is not None:
        timing = Timing(latency_ms=attempt["latency_ms"], output_tokens=row[_TOKENS], ttft_ms=row[_TTFT])
    return fold_outcome(estimates, ok=attempt["outcome"] in FAULTLESS, timing=timing)


def _mean(one: float | None, weight: int, two: float | None, other: int) -> float | None:
    if one is None or two is None:
        return two if one is None else one
    total = weight + other
    return one if not total else (one * weight + two * other) / total


def _towards(own: float | None, others: float | None, share: float) -> float | None:
    if own is None or others is None:
        return others if own is None else own
    return own + share * (others - own)


def _bounded(delta: float) -> float:
    return min(QUALITY_BOUND, max(-QUALITY_BOUND, delta))
