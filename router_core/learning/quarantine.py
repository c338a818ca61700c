"""Who judges so unlike all others that nothing is learned from it: judges, tenants, targets that report of themselves.

Everybody's judgements are held against what is expected of the answers. Errors of honest judges are as large as chance makes
them, whatever the answers are like, and grow together when a target changes. Who stands far outside, by the median and the
median deviation of all (Iglewicz and Hoaglin, 1993), which a minority cannot move, is left out until its judgements are
again like the others'.
"""

from __future__ import annotations

from collections import OrderedDict
from statistics import median
from typing import Final

ENOUGH: Final = 20
"""Judgements of a subject before anything is concluded of it."""
FEW: Final = 4
"""Subjects below which there is no majority to compare with."""
FAR: Final = 4.0 * 1.4826
"""Median deviations, scaled to standard deviations, from which a subject is far outside."""
FLOOR: Final = 0.15
"""Excess error that is never far outside, however alike the others are."""
SLOWEST: Final = 1.0 / 100.0
SUBJECTS: Final = 1024
EVERY: Final = 32


class Quarantine:
    """Excess error by subject, a moving mean; subjects named by whoever asks, the longest unheard forgotten first."""

    def __init__(self) -> None:
        self._excess: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._bound = float("inf")
        self._since = 0

    def note(self, subject: str, score: float, expected: float) -> None:
        """One judgement of an answer of which `expected` was the chance to be good. An honest 0-or-1 judgement errs by
        expected x (1 - expected) on average; what is above is excess."""
        count, mean = self._excess.get(subject, (0, 0.0))
        excess = (score - expected) ** 2 - expected * (1.0 - expected)
        rate = max(SLOWEST, 1.0 / (count + 1))
        self._excess[subject] = count + 1, mean + rate * (excess - mean)
        self._excess.move_to_end(subject)
        if len(self._excess) > SUBJECTS:
            self._excess.popitem(last=False)
        self._since += 1
        if self._since >= EVERY:
            self._since, self._bound = 0, self._far_outside()

    def holds(self, subject: str) -> bool:
        """Whether nothing is to be learned from this subject now."""
        count, mean = self._excess.get(subject, (0, 0.0))
        return count >= ENOUGH and mean > self._bound

    def held(self) -> tuple[str, ...]:
        """All who are in quarantine, by name."""
        return tuple(sorted(subject for subject in self._excess if self.holds(subject)))

    def _far_outside(self) -> float:
        means = [mean for count, mean in self._excess.values() if count >= ENOUGH]
        if len(means) < FEW:
            return float("inf")
        middle = median(means)
        return middle + max(FLOOR, FAR * median(abs(mean - middle) for mean in means))
