"""What a proposal may change, and by how much: the limits that stand before any model's or agent's word.

A closed list of keys, each with a range. What is not on it - privacy, tiers, residency, compliance, limits, guards, spending,
deliberation, this section itself - cannot be proposed at all, whoever proposes. The check runs twice: while a proposal is
drafted, and on the finished document, compared key by key with the policy in force.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from router_core.errors import ConfigurationError, RequestError
from router_core.policy.diff import diff
from router_core.policy.document import Policy
from router_core.policy.parse import from_document, to_document
from router_core.record import dataclass

MOST_KEYS: Final = 3
"""Of one proposal: what changes much at once cannot be judged apart."""
EXPLORATION: Final = "exploration.rate"
_DIGITS: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """A key's permitted values; `amount`: a step is a part of the value, else of the range."""

    low: float
    high: float
    amount: bool = False


def _weights() -> dict[str, Range]:
    return {
        f"objectives.{objective}.{score}": Range(low=0.0, high=1.0)
        for objective in ("balanced", "cost", "quality")
        for score in ("quality", "latency", "cost")
    }


PERMITTED: Final[Mapping[str, Range]] = MappingProxyType(
    {
        **_weights(),
        "references.latency_ms": Range(low=50.0, high=10_000.0, amount=True),
        "references.cost_usd": Range(low=1e-6, high=0.1, amount=True),
        "thresholds.stickiness": Range(low=0.0, high=0.2),
        "thresholds.device_confidence": Range(low=0.5, high=0.95),
        "class_rules.complex_at": Range(low=0.2, high=0.9),
        "cache.ttl_s": Range(low=30.0, high=3600.0, amount=True),
        EXPLORATION: Range(low=0.0, high=1.0),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """One key of a proposal."""

    key: str
    before: float
    after: float

    def as_document(self) -> dict[str, Any]:
        return {"key": self.key, "before": self.before, "after": self.after}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A key, and the value that somebody wants there."""

    key: str
    value: float


def room(policy: Policy, key: str) -> tuple[float, float]:
    """The lowest and highest value that a proposal may give to a permitted key now. Raises `RequestError`."""
    found = PERMITTED.get(key)
    if found is None:
        raise RequestError(f"a proposal may not change {key[:64]}")
    rules, before = policy.proposals, value_of(policy, key)
    step = rules.max_step * (before if found.amount else found.high - found.low)
    high = rules.max_exploration if key == EXPLORATION else found.high
    return max(found.low, before - step), min(high, before + step)


def changed(policy: Policy, wishes: Sequence[Wish]) -> Policy:
    """The policy that these wishes make, as the next version. Raises `RequestError` for a wish that is not permitted, does not
    change anything, or goes too far."""
    if not 1 <= len(wishes) <= MOST_KEYS or len({wish.key for wish in wishes}) != len(wishes):
        raise RequestError(f"a proposal changes 1 to {MOST_KEYS} different keys")
    document = to_document(policy)
    document["version"] = policy.version + 1
    for wish in wishes:
        _put(document, wish.key, _wanted(policy, wish))
    try:
        new = from_document(document)
    except ConfigurationError as error:
        raise RequestError(f"the policy would not be valid: {error}") from None
    check(new, policy)
    return new


def moved_between(new: Policy, old: Policy) -> tuple[Moved, ...]:
    """What differs, but for the version."""
    return tuple(
        Moved(key=change.key, before=float(change.before), after=float(change.after))
        for change in diff(old, new)
        if change.key != "version"
    )


def check(new: Policy, old: Policy) -> None:
    """Whether `new` is a permitted proposal to replace `old`, whoever made it. Raises `RequestError`."""
    differing = [change.key for change in diff(old, new) if change.key != "version"]
    if new.name != old.name or new.version != old.version + 1:
        raise RequestError("a proposal is the next version of the policy in force")
    if not 1 <= len(differing) <= MOST_KEYS:
        raise RequestError(f"a proposal changes 1 to {MOST_KEYS} keys")
    for key in differing:
        low, high = room(old, key)
        if not low - 1e-9 <= value_of(new, key) <= high + 1e-9:
            raise RequestError(f"{key} would go further than one proposal may: {low:g} to {high:g}")


def value_of(policy: Policy, key: str) -> float:
    """The number at a dotted key."""
    node: Any = to_document(policy)
    for part in key.split("."):
        node = node[part]
    return float(node)


def _wanted(policy: Policy, wish: Wish) -> float:
    low, high = room(policy, wish.key)
    value = round(wish.value, _DIGITS) if math.isfinite(wish.value) else wish.value
    if not low - 1e-9 <= value <= high + 1e-9:
        raise RequestError(f"{wish.key} may be set to {low:g} to {high:g} by one proposal")
    if value == value_of(policy, wish.key):
        raise RequestError(f"{wish.key} is {value:g} already")
    return value


def _put(document: dict[str, Any], key: str, value: float) -> None:
    *path, last = key.split(".")
    node = document
    for part in path:
        node = node[part]
    node[last] = value
