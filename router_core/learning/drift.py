"""Notices that a target has silently become worse or better than is known of it, from judgements against what was expected.

Two cumulative sums per target (Page, 1954), one for worse and one for better: each judgement adds the logarithm of how much more
likely it is after a change of `CHANGE` than before, and a sum never falls below zero, where it begins anew. Above `DOUBT`
the target's answers are worth judging more often, above `SUSPECT` all of them; above `ALARM`, which chance reaches less than once in exp(ALARM)
judgements whatever the target's quality, what was known before the sum last began is old. A minority of those who judge cannot
raise an alarm.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

CHANGE: Final = 0.25
"""The change of quality that is watched for; a lasting error of less than a half of it raises nothing."""
DOUBT: Final = 2.0
SUSPECT: Final = 5.0
ALARM: Final = 10.0
LEAST: Final = 0.05
"""Chances stay so far from 0 and 1, so that no single judgement raises an alarm."""
CALMS: Final = 0.98
"""What is left of the doubt after an alarm with each judgement more."""
QUORUM: Final = 0.5
VOICES: Final = 10
"""An alarm takes this share of all who judge the target, up to so many: one subject brings no more than its part."""
MOST_VOICES: Final = 256


class Side:
    """One direction: the sum, how many judgements it holds, and what each subject has brought to it."""

    __slots__ = ("brought", "count", "total")

    def __init__(self) -> None:
        self.total, self.count = 0.0, 0
        self.brought: dict[str, float] = {}

    def add(self, evidence: float, subject: str, most: float) -> None:
        before = self.brought.get(subject, 0.0)
        self.brought[subject] = before + evidence
        self.total += min(most, before + evidence) - min(most, before)
        self.count += 1
        if self.total <= 0.0:
            self.begin()

    def begin(self) -> None:
        self.total, self.count = 0.0, 0
        self.brought.clear()


class Drift:
    """Of all targets. Judgements of who is not believed are not told here."""

    def __init__(self) -> None:
        self._sides: dict[str, tuple[Side, Side]] = {}
        self._voices: dict[str, set[str]] = {}
        self._lately: dict[str, float] = {}
        self.alarms: dict[str, int] = {}

    def note(self, target: str, subject: str, score: float, expected: float, weight: float) -> int:
        """One judgement, of an answer of which `expected` was the chance to be good, that counts for `weight`. The number of
        judgements since the change, where this one raises the alarm; else 0."""
        voices = self._voices.setdefault(target, set())
        if len(voices) < MOST_VOICES:
            voices.add(subject)
        most = ALARM / min(VOICES, math.ceil(QUORUM * len(voices)))
        worse, better = self._sides.setdefault(target, (Side(), Side()))
        worse.add(weight * _evidence(score, expected, expected - CHANGE), subject, most)
        better.add(weight * _evidence(score, expected, expected + CHANGE), subject, most)
        self._lately[target] = self._lately.get(target, 0.0) * CALMS
        found = max(worse, better, key=lambda side: side.total)
        if found.total < ALARM:
            return 0
        since = found.count
        worse.begin()
        better.begin()
        self.alarms[target] = self.alarms.get(target, 0) + 1
        self._lately[target] = 1.0
        return since

    def doubt(self, target: str) -> float:
        """How far the target is suspected of having changed, or has changed lately: 0 up to `DOUBT`, 1 from `SUSPECT` on."""
        sides = self._sides.get(target)
        if sides is None:
            return 0.0
        total = max(side.total for side in sides)
        return min(1.0, max(self._lately.get(target, 0.0), (total - DOUBT) / (SUSPECT - DOUBT), 0.0))

    def doubts(self) -> Mapping[str, float]:
        """Of all targets that are doubted."""
        found = {target: round(self.doubt(target), 2) for target in self._sides}
        return {target: doubt for target, doubt in found.items() if doubt >= 0.05}


def _evidence(score: float, before: float, after: float) -> float:
    """Log likelihood ratio of a score in [0, 1] as the share of a good answer."""
    good, p, q = min(1.0, max(0.0, score)), _chance(before), _chance(after)
    return good * math.log(q / p) + (1.0 - good) * math.log((1.0 - q) / (1.0 - p))


def _chance(value: float) -> float:
    return min(1.0 - LEAST, max(LEAST, value))
