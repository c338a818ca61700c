"""What asking about one choice may bring, for every skill that the model may have: arithmetic over the fast path's own figures.

The fast path expects each target to be good with some chance, at some cost. If the model's skill were known, the chance that it
names another target, and that this one is then better, would follow. Skill is the share of questions to which a model knows
the answer; to the others it names any target. Good answers of several targets come together more often than chance has it, because
some requests are easy: half of their agreement is taken to be that, half chance.

The choice of the fast path is taken to be right by its own figures: what it was preferred for beside quality and cost, such as speed,
is worth at least what it gives up. Advice is therefore worth something only for what it knows and the figures do not.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from router_core.record import dataclass

Doubles = NDArray[np.float64]
SKILLS: Final = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97])
COMMON: Final = 0.5
"""How much of what targets get right together is the request's doing."""
_LEAST: Final = 0.02
"""No answer is taken to be certainly good or bad."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """By skill and named target: `told` the chance that the model names it, `gains` what following that is then worth in quality, times
    this chance. `good`: by skill, named target and asked target, the chance of a good answer."""

    names: tuple[str, ...]
    fast: int
    told: Doubles
    gains: Doubles
    good: Doubles

    def worth(self, skill: int) -> float:
        """The quality that a question brings at this skill, where what does not pay is not followed."""
        return float(np.maximum(self.gains[skill], 0.0).sum())

    def pays(self, named: str, skills: Doubles) -> bool:
        """Whether to follow this advice, by the chances of each skill."""
        at = self.names.index(named)
        return at == self.fast or float(skills @ self.gains[:, at]) > 0.0

    def evidence(self, named: str, asked: str) -> Doubles:
        """By skill, the chance that the answer of `asked` is good where the model named `named`."""
        found: Doubles = self.good[:, self.names.index(named), self.names.index(asked)]
        return found


def outlook(names: Sequence[str], fast: str, quality: Sequence[float], costs: Sequence[float]) -> Outlook:
    """`costs` are in units of quality: what one answer costs over what a bad one costs."""
    at, count = list(names).index(fast), len(names)
    chance = np.clip(np.array(quality, float), _LEAST, 1.0 - _LEAST)
    cost = np.array(costs, float)
    cost = cost + np.maximum(0.0, (chance - cost) - (chance[at] - cost[at]))
    states = _states(count)
    likely = _likely(chance, states)
    best = np.zeros_like(states)
    best[np.arange(len(states)), (states - cost).argmax(axis=1)] = likely
    is_best, good_too = best.sum(axis=0), best.T @ states
    knows = (1.0 / count + (1.0 - 1.0 / count) * SKILLS)[:, None]
    errs = (1.0 - knows) / (count - 1)
    told = knows * is_best + errs * (1.0 - is_best)
    both = knows[:, :, None] * good_too + errs[:, :, None] * (chance - good_too)
    own: Any = np.arange(count)
    gains = both[:, own, own] - both[:, :, at] - told * (cost - cost[at])
    good = np.clip(both / np.maximum(told, 1e-12)[:, :, None], _LEAST, 1.0 - _LEAST)
    return Outlook(names=tuple(names), fast=at, told=told, gains=gains, good=good)


@cache
def _states(count: int) -> Doubles:
    """Every way in which so many answers can be good (1) or bad (0)."""
    return np.array(list(itertools.product((0.0, 1.0), repeat=count)))


def _likely(chance: Doubles, states: Doubles) -> Doubles:
    """How likely each of these ways is: partly by chance, partly as far as the request is easy."""
    by_chance = np.where(states > 0.0, chance, 1.0 - chance).prod(axis=1)
    worst_good = np.where(states > 0.0, chance, 1.0).min(axis=1)
    best_bad = np.where(states > 0.0, 0.0, chance).max(axis=1)
    together = np.maximum(0.0, worst_good - best_bad)
    mixed: Doubles = COMMON * together + (1.0 - COMMON) * by_chance
    return mixed
