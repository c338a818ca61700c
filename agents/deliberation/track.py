"""What asking a model has brought so far, by agent, class and the doubt it was asked in.

Two things are counted apart, because only one of them is seen every time: how often the model prefers another target, and
what that was worth where the answer was judged: its score less the quality that the fast choice promised. Both begin with
a prior, so that the gate asks where the fast path is in real doubt, and evidence moves it from there.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from router_core.record import dataclass

BANDS: Final = 4
"""Bands of doubt between none and one half."""
PRIOR_GAIN: Final = 0.25
"""Quality that a changed choice is taken to bring before any was judged."""
PRIOR_WEIGHT: Final = 6.0
REMEMBERED: Final = 4096
_MOST: Final = 500.0
"""Counts are halved above this, so that a model that changes is noticed."""
_Place = tuple[str, str, int]


@dataclass(slots=True, kw_only=True, eq=False)
class _Seen:
    asked: float = 0.0
    changed: float = 0.0
    judged: float = 0.0
    gained: float = 0.0


class TrackRecord:
    """One per process."""

    def __init__(self) -> None:
        self._seen: dict[_Place, _Seen] = {}
        self._open: OrderedDict[str, tuple[_Place, float]] = OrderedDict()

    def gain(self, agent: str, request_class: str, doubt: float) -> float:
        """The quality that one question is expected to bring; below zero where the model made things worse."""
        seen = self._seen.get(_place(agent, request_class, doubt), _Seen())
        changes = (doubt * PRIOR_WEIGHT + seen.changed) / (PRIOR_WEIGHT + seen.asked)
        each = (PRIOR_GAIN * PRIOR_WEIGHT + seen.gained) / (PRIOR_WEIGHT + seen.judged)
        return changes * each

    def answered(self, agent: str, request_class: str, doubt: float, *, changed: bool) -> None:
        """A model answered in time, and preferred another choice or the fast one."""
        seen = self._seen.setdefault(_place(agent, request_class, doubt), _Seen())
        seen.asked += 1.0
        seen.changed += changed
        if seen.asked > _MOST:
            seen.asked, seen.changed = seen.asked / 2.0, seen.changed / 2.0

    def followed(self, request_id: str, place: tuple[str, str, float], expected: float) -> None:
        """A decision follows a changed choice of this agent, class and doubt; `expected` is the quality that the fast choice
        promised."""
        self._open[request_id] = (_place(*place), expected)
        if len(self._open) > REMEMBERED:
            self._open.popitem(last=False)

    def judged(self, request_id: str, score: float) -> None:
        """An answer was judged, in [0, 1]."""
        found = self._open.pop(request_id, None)
        if found is None:
            return
        place, expected = found
        seen = self._seen.setdefault(place, _Seen())
        seen.judged += 1.0
        seen.gained += score - expected
        if seen.judged > _MOST:
            seen.judged, seen.gained = seen.judged / 2.0, seen.gained / 2.0


def _place(agent: str, request_class: str, doubt: float) -> _Place:
    return agent, request_class, min(BANDS - 1, int(doubt * 2.0 * BANDS))
