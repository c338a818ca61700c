"""How much better or worse a target answers than was expected of it, depending on the request: learned from judgements.

What is expected before (the target's prior) is strong; this learns only what is left over. A Bayesian linear model of eight
features, whose prior says "nothing is left over" with the weight of `PRIOR` judgements; older judgements fade (`KEPT` each), so
that a model that got worse is noticed within a few hundred. At this size, greedy and with a strong prior, it does no harm
where nothing is to be learned.

The state of a target is two sums, of 300 bytes to 1.5 KB as JSON: it fits any store's item, and processes add theirs up.
Sums are plain additions and products, so that a log folds to the same bits everywhere. What decisions read of it is rounded
and stands in the snapshot, so they replay.
"""

from __future__ import annotations

import json
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from router_core.context import RequestContext
from router_core.record import dataclass

Array = NDArray[np.float64]
FIT_TASKS: Final = ("command", "classify", "extract", "summarize")
"""Tasks with a shift of their own, against chat."""
FEATURES: Final = ("always", "complexity", "length", "structured", *FIT_TASKS)
SIZE: Final = len(FEATURES)
PRIOR: Final = (60.0, *[120.0] * (SIZE - 1))
"""The prior's weight by feature, in judgements."""
KEPT: Final = 0.995
OLD: Final = 0.1
"""What is left of the weight of judgements from before a change."""
LOWERED: Final = 0.1
"""What is left of the prior's weight once a change was found: six judgements instead of sixty."""
BOUND: Final = 0.4
"""Largest coefficient: judgements can move a target's expected quality by so much for each of its features."""
CENTRE: Final = 0.4
"""Usual complexity; the always-term then speaks of usual requests."""
DIGITS: Final = 3
_UNKNOWN: Final = (1.0, *[0.0] * (SIZE - 1))


def describe(context: RequestContext | None) -> tuple[float, ...]:
    """The features of a request; of one that is not known any more only that it was one. No transcendental functions: the
    same bits on every machine. `router_core.routing.objective` reads the middle ones itself."""
    if context is None:
        return _UNKNOWN
    task = context.task
    return (
        1.0,
        context.complexity - CENTRE,
        length(context.prompt_tokens),
        structured(context),
        *[1.0 if task == one else 0.0 for one in FIT_TASKS],
    )


def length(prompt_tokens: int) -> float:
    """Length of the request: its binary digits over 16, 0 at some 100 tokens."""
    return (prompt_tokens.bit_length() - 7) / 16.0


def structured(context: RequestContext) -> float:
    """1 where the answer must have a given form."""
    return 1.0 if context.tools or context.json else 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Residual:
    """What judgements of one target say: `square` (8 x 8) sums features times features, `line` (8) features times what was
    left over; both faded, by `fade` since they began to be counted. `judged` counts them, not faded. `prior` is what is left
    of the prior's weight since the target was found to have changed."""

    square: Array
    line: Array
    judged: int = 0
    fade: float = 1.0
    prior: float = 1.0

    def same(self, other: Residual) -> bool:
        """Equal to the bit."""
        return (
            self.judged == other.judged
            and self.square.tobytes() == other.square.tobytes()
            and self.line.tobytes() == other.line.tobytes()
            and self.prior == other.prior
        )


def nothing() -> Residual:
    """Before the first judgement."""
    return Residual(square=np.zeros((SIZE, SIZE)), line=np.zeros(SIZE))


def fold(known: Residual, features: tuple[float, ...], left_over: float, weight: float = 1.0) -> Residual:
    """With one judgement: what was `left_over` of it beyond what the prior expected. `weight` is how much of a judgement
    it counts for."""
    x = np.array(features)
    return Residual(
        square=known.square * KEPT + weight * (x[:, None] * x[None, :]),
        line=known.line * KEPT + x * (weight * left_over),
        judged=known.judged + 1,
        fade=known.fade * KEPT,
        prior=known.prior,
    )


def changed(known: Residual, since: Residual) -> Residual:
    """After an alarm: what is older than `since` (the part of `known` after the change) counts for little from now on, and the
    prior, which spoke of the target as it was, for less."""
    return Residual(
        square=known.square * OLD + since.square * (1.0 - OLD),
        line=known.line * OLD + since.line * (1.0 - OLD),
        judged=known.judged,
        fade=known.fade * OLD,
        prior=LOWERED,
    )


def without(known: Residual, features: tuple[float, ...], left_over: float, faded: float) -> Residual:
    """Without one judgement whose weight has `faded` to this: it is as if its place had said nothing."""
    x = np.array(features)
    return Residual(
        square=known.square - faded * (x[:, None] * x[None, :]),
        line=known.line - faded * (x * left_over),
        judged=known.judged,
        fade=known.fade,
        prior=known.prior,
    )


def merge(known: Residual, fresh: Residual) -> Residual:
    """With judgements that another process folded meanwhile: what was known fades as if they had been folded here."""
    faded = fresh.fade
    return Residual(
        square=known.square * faded + fresh.square,
        line=known.line * faded + fresh.line,
        judged=known.judged + fresh.judged,
        fade=known.fade * faded,
        prior=min(known.prior, fresh.prior),
    )


def coefficients(known: Residual) -> tuple[float, ...]:
    """By feature, bounded and rounded: what a snapshot holds. All zero before the first judgement."""
    if not known.judged:
        return (0.0,) * SIZE
    solved = np.linalg.solve(np.diag(np.array(PRIOR) * known.prior) + known.square, known.line)
    return tuple(round(min(BOUND, max(-BOUND, float(one))), DIGITS) + 0.0 for one in solved)


def to_value(known: Residual) -> bytes:
    """As a state store keeps it: one triangle of the square."""
    document = {
        "square": [known.square[i, j] for i in range(SIZE) for j in range(i + 1)],
        "line": known.line.tolist(),
        "judged": known.judged,
        "prior": known.prior,
    }
    return json.dumps(document, separators=(",", ":")).encode()


def from_value(value: bytes) -> Residual:
    """Read `to_value` back, to the bit. Raises ValueError for anything else."""
    try:
        read: dict[str, Any] = json.loads(value)
        square, places = np.zeros((SIZE, SIZE)), iter(read["square"])
        for i in range(SIZE):
            for j in range(i + 1):
                square[i, j] = square[j, i] = float(next(places))
        line = np.array([float(one) for one in read["line"]])
        if line.shape != (SIZE,) or not (np.isfinite(square).all() and np.isfinite(line).all()):
            raise ValueError("not a target's residual: its numbers")
        prior = min(1.0, max(LOWERED, float(read.get("prior", 1.0))))
        return Residual(square=square, line=line, judged=int(read["judged"]), prior=prior)
    except (KeyError, TypeError, AttributeError, StopIteration) as error:
        raise ValueError(f"not a target's residual: {type(error).__name__}") from error
