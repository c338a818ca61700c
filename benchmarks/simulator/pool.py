"""Many logs of the same world at once: requests decided beforehand, then dealt, answered and judged anew in columns.

Ten thousand logs through the router would take hours. Here the router decides each request of a pool once, under each
policy; a log is a sample of the pool, with choices drawn from the logged chances and judgements from the truth. Estimates
and verdicts are the product's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.simulator.world import STATE, TRUTH, Truth, contexts, table_of
from router_core.context import RequestContext
from router_core.learning.off_policy.estimators import FIRST_WEIGHT, LEAST_CHANCE, Rows
from router_core.policy.document import Policy
from router_core.routing.choice import chances
from router_core.routing.constraints import permitted
from router_core.routing.objective import weigh

Array = NDArray[np.float64]
NAMES: Final = tuple(target.spec.name for target in STATE.targets)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pool:
    """By request (rows) and target (columns): the chances of each policy, what the router expects, and the truth."""

    new: Array
    old: Array
    logged: Array
    expected: Array
    truth: Array

    @property
    def gain(self) -> float:
        """The true difference between the policies."""
        return float(((self.new - self.old) * self.truth).sum(axis=1).mean())

    def logs(self, seed: int, size: int, count: int) -> Iterator[Rows]:
        """So many logs of `size` judged decisions, each as the rows of the policies' difference."""
        chance = np.random.default_rng(seed)
        reach = np.cumsum(self.logged, axis=1)
        for _ in range(count):
            which = chance.integers(0, len(self.truth), size)
            drawn = (chance.random((size, 1)) > reach[which]).sum(axis=1)
            place = (which, np.minimum(drawn, len(NAMES) - 1))
            seen = (chance.random(size) < self.truth[place]).astype(np.float64)
            moved = self.new[which] - self.old[which]
            tried = self.logged[which] >= LEAST_CHANCE
            expected = self.expected[which] + _shift(drawn, seen - self.expected[place])
            said = expected[np.arange(size), place[1]]
            noise = _noise(drawn, seen - said, expected)
            logged = np.maximum(self.logged[which], LEAST_CHANCE)
            yield Rows(
                seen=seen,
                expected=said,
                weight=(self.new[place] - self.old[place]) / self.logged[place],
                model=(moved * expected).sum(axis=1),
                spread=np.where(tried, moved * moved / logged * noise, 0.0).sum(axis=1),
                untried=np.where(tried, 0.0, moved * expected).sum(axis=1),
                worst=np.where(tried, 0.0, np.minimum(moved, 0.0)).sum(axis=1),
                best=np.where(tried, 0.0, np.maximum(moved, 0.0)).sum(axis=1),
            )


def _shift(chosen: NDArray[np.int64], missed: Array) -> Array:
    """By how much the model is off, by target, as `PastModel` has it in the end."""
    sums = [float(missed[chosen == i].sum()) / (20.0 + float((chosen == i).sum())) for i in range(len(NAMES))]
    return np.array(sums)


def _noise(chosen: NDArray[np.int64], missed: Array, expected: Array) -> Array:
    """Mean square of what the model missed, by target, as `PastModel` has it in the end."""
    coin = np.clip(expected, 0.0, 1.0)
    first = (coin * (1.0 - coin)).mean(axis=0)
    squares = [
        (FIRST_WEIGHT * float(first[i]) + float((missed[chosen == i] ** 2).sum()))
        / (FIRST_WEIGHT + float((chosen == i).sum()))
        for i in range(len(NAMES))
    ]
    return np.array(squares)


def pool(new: Policy, old: Policy, *, canary: float = 0.0, size: int = 4_000, truth: Truth = TRUTH) -> Pool:
    """The world under both policies. The log was made by `old`, and by `new` for the canary's share of it."""
    asked = list(islice(contexts(11), size))
    dealt = {used.sha256: _dealt(used, asked) for used in (new, old)}
    believed = _believed(old, asked)
    return Pool(
        new=dealt[new.sha256],
        old=dealt[old.sha256],
        logged=canary * dealt[new.sha256] + (1.0 - canary) * dealt[old.sha256],
        expected=believed,
        truth=np.array([[truth.quality(context, name) for name in NAMES] for context in asked]),
    )


def _believed(used: Policy, asked: Sequence[RequestContext]) -> Array:
    table = table_of(used)
    return np.array([weigh(context, table, ()).quality for context in asked])


def _dealt(used: Policy, asked: Sequence[RequestContext]) -> Array:
    table = table_of(used)
    found = np.zeros((len(asked), len(NAMES)))
    for row, context in zip(found, asked, strict=True):
        weighed = weigh(context, table, ())
        allowed, _ = permitted(context, table, weighed)
        for i, chance in chances(context, table, weighed.scores, allowed).items():
            row[i] = chance
    return found
