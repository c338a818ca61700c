"""How sure an answer is once it is there: a logistic of what was expected before and of what the checks said.

The weights are data: fitted from judged records (`verification_fit`), and before that declared here. Agreement with another
model is what carries: it alone also holds for subjects that nobody has seen. A chance becomes a promise by its bound, from
which on at most a given share of all checked answers is kept although wrong.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from router_core.record import dataclass

SCHEMA: Final = "tierwise.verification/1"
FEATURES: Final = (
    "always", "before", "length", "malformed", "told", "logprob", "sampled", "sample", "asked", "second", "verified", "verifier",
)  # fmt: skip
"""`told`, `sampled`, `asked`, `verified` say that the value after them is known; unknown values are 0."""
DECLARED: Final = (0.0, 1.0, -0.1, -4.0, 0.0, 1.5, 0.0, 2.5, 0.0, 2.5, 0.0, 2.5)
"""Weights before anything was judged. What was expected before counts as it stands; a malformed answer is all but wrong;
full agreement against none is worth 2.5 in log odds, about what it was on public questions with two small models."""
USUAL_TOKENS: Final = 64.0
USUAL_LOGPROB: Final = -0.3
LONGEST: Final = 6.0
LIMIT: Final = 30.0
POOLED: Final = "*"
"""The group of all targets that have none of their own."""
NOTHING_KEPT: Final = 1.01
"""A bound above every chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """What is known of an answer; agreements and `verifier` in [0, 1], `logprob` the mean per token. None is unknown."""

    before: float
    tokens: int
    malformed: bool = False
    logprob: float | None = None
    sample: float | None = None
    second: float | None = None
    verifier: float | None = None

    def told(self, said: Mapping[str, float | None]) -> Signs:
        """With what others said: any of sample, second and verifier."""
        return replace(
            self,
            sample=said.get("sample", self.sample),
            second=said.get("second", self.second),
            verifier=said.get("verifier", self.verifier),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Fitted for one target, or for all: `bounds` are (share of bad answers kept, chance to keep from), rising in the share."""

    weights: tuple[float, ...] = DECLARED
    bounds: tuple[tuple[float, float], ...] = ()
    judged: int = 0
    audited: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """What decides whether an answer is kept, by target; `POOLED` for the others."""

    groups: Mapping[str, Group]

    def group(self, target: str) -> Group:
        found = self.groups.get(target) or self.groups.get(POOLED)
        return found if found is not None else _UNFITTED

    def chance(self, target: str, signs: Signs) -> float:
        """Chance that the answer is right."""
        return chance(self.group(target).weights, features(signs))

    def keep_above(self, target: str, bad_kept: float) -> float:
        """The least chance of a kept answer: fitted, or where nothing was fitted the one by which, were all chances true,
        fewer would be bad."""
        bounds = self.group(target).bounds
        if not bounds:
            return 1.0 - bad_kept
        fitting = [above for share, above in bounds if share <= bad_kept]
        return min(fitting, default=NOTHING_KEPT)


_UNFITTED: Final = Group()
UNFITTED: Final = Keeping(groups={})


def features(signs: Signs) -> tuple[float, ...]:
    """One row, in the order of `FEATURES`."""
    before = min(0.99, max(0.01, signs.before))
    length = math.log2(max(1, signs.tokens) / USUAL_TOKENS)
    told = signs.logprob is not None
    logprob = max(-4.0, signs.logprob or 0.0) - USUAL_LOGPROB if told else 0.0
    row = [
        1.0, math.log(before / (1.0 - before)), min(LONGEST, max(-LONGEST, length)), float(signs.malformed),
        float(told), logprob,
    ]  # fmt: skip
    for agreement in (signs.sample, signs.second, signs.verifier):
        row += [0.0, 0.0] if agreement is None else [1.0, agreement - 0.5]
    return tuple(round(one, 4) for one in row)


def chance(weights: tuple[float, ...], row: tuple[float, ...]) -> float:
    """The logistic, kept within [0, 1] and finite."""
    odds = sum(weight * x for weight, x in zip(weights, row, strict=True))
    return round(1.0 / (1.0 + math.exp(-min(LIMIT, max(-LIMIT, odds)))), 4)


def to_document(keeping: Keeping) -> dict[str, Any]:
    """As the file keeps it."""
    return {
        "schema": SCHEMA,
        "features": list(FEATURES),
        "groups": {
            name: {
                "weights": [round(weight, 4) for weight in group.weights],
                "bounds": [list(pair) for pair in group.bounds],
                "judged": group.judged,
                "audited": group.audited,
            }
            for name, group in sorted(keeping.groups.items())
        },
    }


def from_document(document: object) -> Keeping:
    """Read `to_document` back. Raises ValueError for anything else."""
    try:
        if not isinstance(document, dict) or document["schema"] != SCHEMA:
            raise ValueError(f"not a {SCHEMA} document")
        if tuple(document["features"]) != FEATURES:
            raise ValueError("fitted for other features: fit it again")
        return Keeping(groups={str(name): _group(one) for name, one in document["groups"].items()})
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a {SCHEMA} document: {type(error).__name__}") from error


def _group(written: Mapping[str, Any]) -> Group:
    weights = tuple(float(weight) for weight in written["weights"])
    bounds = tuple((float(share), float(above)) for share, above in written["bounds"])
    numbers = [*weights, *(number for pair in bounds for number in pair)]
    if len(weights) != len(FEATURES) or not all(map(math.isfinite, numbers)):
        raise ValueError("a group's numbers are wrong")
    if any(not (0.0 <= share <= 1.0 and above >= 0.0) for share, above in bounds):
        raise ValueError("a group's bounds are wrong")
    return Group(
        weights=weights, bounds=bounds, judged=int(written["judged"]), audited=int(written["audited"])
    )
