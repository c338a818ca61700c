"""Models that the scorer has never seen, from about a hundred judged answers each.

What makes a question hard is shared: the scorer's chances for the three tiers carry it. A new model's chance is a logistic of
their principal components, drawn towards the quality that its makers declare; before any judgement that stands alone. The
fit needs no text: the chances were logged with each decision.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np

from router_core.errors import ConfigurationError
from router_core.learning.scorer_heads import Components, fit_new_head, principal_components
from router_core.record import dataclass

SCHEMA: Final = "tierwise.heads/1"
TIER_COUNT: Final = 3
LEAST_ROWS: Final = 30
"""Decisions with the scorer's chances that are needed to tell what varies together."""
MOST_ROWS: Final = 100_000
FLOOR: Final = 0.01
DECIMALS: Final = 4
MOST_HEADS: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """One target's: a level and a weight per component, and what they were fitted from."""

    weights: tuple[float, ...]
    mean: tuple[float, ...]
    directions: tuple[tuple[float, ...], ...]
    declared: float
    judged: int

    def chance(self, quality: tuple[float, ...]) -> float:
        """The chance of a good answer, from the scorer's chances for the tiers."""
        logits = [_log_odds(one) - middle for one, middle in zip(quality, self.mean, strict=True)]
        odds = self.weights[0]
        for weight, direction in zip(self.weights[1:], self.directions, strict=True):
            odds += weight * sum(x * d for x, d in zip(logits, direction, strict=True))
        return round(1.0 / (1.0 + math.exp(-min(30.0, max(-30.0, odds)))), DECIMALS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """Heads by target."""

    heads: Mapping[str, Head]

    def chances(self, quality: tuple[float, ...]) -> tuple[tuple[str, float], ...]:
        """For each target that has a head."""
        return tuple((name, head.chance(quality)) for name, head in self.heads.items())


NOTHING_ADOPTED: Final = Adopted(heads={})


def adopt(target: str, records: Iterable[Mapping[str, Any]], declared: float | None = None) -> Head:
    """The head of `target` from the event log. `declared` quality is the target's own unless given. Raises
    `ConfigurationError` where the log does not hold what is needed."""
    foreseen: dict[str, tuple[float, ...]] = {}
    scores: dict[str, float] = {}
    for record in records:
        kind = record.get("kind")
        if kind == "decision" and record.get("chosen") and len(foreseen) < MOST_ROWS:
            known = record["features"].get("foreseen") or ()
            if len(known) == TIER_COUNT + 1:
                foreseen[record["request_id"]] = tuple(float(one) for one in known[:TIER_COUNT])
        elif kind == "quality" and record.get("target") == target:
            scores[record["request_id"]] = min(1.0, max(0.0, float(record["score"])))
        elif kind == "state" and declared is None:
            declared = _declared(target, record)
    if declared is None:
        raise ConfigurationError(f"the log knows no target {target}: name its declared quality")
    if len(foreseen) < LEAST_ROWS:
        raise ConfigurationError(
            "the log holds no chances of the scorer: set scorer.share above 0 in the policy"
        )
    return _fitted(foreseen, scores, declared)


def _fitted(foreseen: Mapping[str, tuple[float, ...]], scores: Mapping[str, float], declared: float) -> Head:
    components = _components(foreseen)
    judged = [name for name in foreseen if name in scores]
    rows = np.array([[_log_odds(one) for one in foreseen[name]] for name in judged]).reshape(-1, TIER_COUNT)
    made = fit_new_head(
        components.of(rows), np.array([scores[name] for name in judged]), declared_quality=declared
    )
    return Head(
        weights=tuple(round(one, 6) for one in made.weights),
        mean=tuple(round(float(one), 6) for one in components.mean),
        directions=tuple(tuple(round(float(one), 6) for one in column) for column in components.directions.T),
        declared=declared,
        judged=len(judged),
    )


def _components(foreseen: Mapping[str, tuple[float, ...]]) -> Components:
    return principal_components(np.array([[_log_odds(one) for one in row] for row in foreseen.values()]))


def _declared(target: str, state: Mapping[str, Any]) -> float | None:
    for one in state.get("targets", ()):
        if one["spec"]["name"] == target:
            return float(one["spec"]["quality"].get("chat", one["spec"]["quality_default"]))
    return None


def _log_odds(chance: float) -> float:
    bounded = min(1.0 - FLOOR, max(FLOOR, chance))
    return math.log(bounded / (1.0 - bounded))


def to_document(adopted: Adopted) -> dict[str, Any]:
    """As the file keeps it."""
    return {
        "schema": SCHEMA,
        "heads": {
            name: {
                "weights": list(head.weights),
                "mean": list(head.mean),
                "directions": [list(one) for one in head.directions],
                "declared": head.declared,
                "judged": head.judged,
            }
            for name, head in sorted(adopted.heads.items())
        },
    }


def from_document(document: object) -> Adopted:
    """Read `to_document` back. Raises ValueError for anything else."""
    try:
        if not isinstance(document, dict) or document["schema"] != SCHEMA:
            raise ValueError(f"not a {SCHEMA} document")
        if len(document["heads"]) > MOST_HEADS:
            raise ValueError(f"more than {MOST_HEADS} heads")
        return Adopted(heads={str(name): _head(one) for name, one in document["heads"].items()})
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a {SCHEMA} document: {type(error).__name__}") from error


def _head(written: Mapping[str, Any]) -> Head:
    head = Head(
        weights=tuple(float(one) for one in written["weights"]),
        mean=tuple(float(one) for one in written["mean"]),
        directions=tuple(tuple(float(one) for one in column) for column in written["directions"]),
        declared=float(written["declared"]),
        judged=int(written["judged"]),
    )
    numbers = [*head.weights, *head.mean, *(one for column in head.directions for one in column)]
    shaped = len(head.mean) == TIER_COUNT and all(len(column) == TIER_COUNT for column in head.directions)
    if not shaped or len(head.weights) != len(head.directions) + 1 or not all(map(math.isfinite, numbers)):
        raise ValueError("a head's numbers are wrong")
    return head
