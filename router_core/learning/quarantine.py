"""Who judges so unlike all others that nothing is learned from it: judges, tenants, targets that report of themselves.

Of every target, each subject's judgements are held against what was expected of the answers, and then against all other
subjects': when a target gets worse, everybody's mean moves, and nobody stands out. Whose mean lies far from the median of
all, in its own standard errors and by the median deviation (a modified z-score, Iglewicz and Hoaglin, 1993),
which a minority cannot move, is left out until it judges again like the others.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from statistics import median
from typing import Final

ENOUGH: Final = 10
"""Judgements of a target by one subject before anything is concluded."""
ALL: Final = "*"
"""All targets together: who lies about each of them is known sooner."""
ON_PROBATION: Final = 0.03
FEW: Final = 4
"""Subjects below which there is no majority to compare with."""
FAR: Final = 3.0
SCALE: Final = 1.4826
"""From a median deviation to a standard deviation."""
HARMLESS: Final = 0.15
"""A mean this close to the others' is nobody's lie."""
SLOWEST: Final = 1.0 / 100.0
SUBJECTS: Final = 1024
"""Per target; the longest unheard is forgotten first."""
LEAST_NOISE: Final = 0.02


class _Seen:
    """One subject's judgements of one target: count, moving means of the surprise and of its variance by chance."""

    __slots__ = ("count", "noise", "surprise")

    def __init__(self) -> None:
        self.count, self.surprise, self.noise = 0, 0.0, 0.0

    def note(self, surprise: float, noise: float) -> None:
        self.count += 1
        rate = max(SLOWEST, 1.0 / self.count)
        self.surprise += rate * (surprise - self.surprise)
        self.noise += rate * (noise - self.noise)

    @property
    def error(self) -> float:
        """Standard error of the mean surprise, had it been honest."""
        return math.sqrt(max(LEAST_NOISE, self.noise) / min(self.count, 1.0 / SLOWEST))


class Quarantine:
    """Judgements by target and subject; subjects are named by whoever asks."""

    def __init__(self) -> None:
        self._seen: dict[str, OrderedDict[str, _Seen]] = {}
        self._held: dict[str, frozenset[str]] = {}

    def note(self, target: str, subject: str, score: float, expected: float) -> None:
        """One judgement of an answer of which `expected` was the chance to be good."""
        for about in (target, ALL):
            self._note(about, subject, score, expected)

    def _note(self, target: str, subject: str, score: float, expected: float) -> None:
        subjects = self._seen.setdefault(target, OrderedDict())
        subjects.setdefault(subject, _Seen()).note(score - expected, expected * (1.0 - expected))
        subjects.move_to_end(subject)
        if len(subjects) > SUBJECTS:
            subjects.popitem(last=False)
        if len(subjects) <= FEW * FEW or subjects[subject].count % FEW == 0:
            self._held[target] = _far_outside(subjects)

    def holds(self, subject: str) -> bool:
        """Whether nothing is to be learned from this subject now: it stands out for one target at least."""
        return any(subject in held for held in self._held.values())

    def trust(self, target: str, subject: str) -> float:
        """How much a judgement counts of somebody who is not in quarantine: `ON_PROBATION` while too little is known of the
        subject to compare it with the others, where there are others."""
        subjects: Mapping[str, _Seen] = self._seen.get(target, {})
        seen = subjects.get(subject)
        known = seen is not None and seen.count >= ENOUGH
        return 1.0 if known or len(subjects) < FEW else ON_PROBATION

    def held(self) -> tuple[str, ...]:
        """All who are in quarantine, by name."""
        return tuple(sorted(frozenset().union(*self._held.values())))


def _far_outside(subjects: OrderedDict[str, _Seen]) -> frozenset[str]:
    known = {name: seen for name, seen in subjects.items() if seen.count >= ENOUGH}
    if len(known) < FEW:
        return frozenset()
    middle = median(seen.surprise for seen in known.values())
    far = {name: (seen.surprise - middle) / seen.error for name, seen in known.items()}
    scale = max(1.0, SCALE * median(abs(one) for one in far.values()))
    return frozenset(
        name
        for name, one in far.items()
        if abs(one) > FAR * scale and abs(known[name].surprise - middle) > HARMLESS
    )
