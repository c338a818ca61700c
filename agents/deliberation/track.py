"""What asking a model has brought so far, by agent, class, fast choice and the doubt it was in.

Two things are counted apart, because only one of them is seen every time: how often the model prefers another target, and
what that was worth where the answer was judged: its score less what the fast choice promised. Both begin with a prior, and what was
seldom tried is taken to be a little better than that: a gate that never asks never learns.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Final

from router_core.decision import RoutingDecision
from router_core.record import dataclass

BANDS: Final = 4
"""Bands of doubt between none and one half."""
PRIOR_GAIN: Final = 0.25
"""Quality that a changed choice is taken to bring before any was judged."""
PRIOR_WEIGHT: Final = 4.0
LEAST_CHANGES: Final = 0.2
"""How often, at least, a model is taken to prefer another target before it was asked."""
CURIOSITY: Final = 0.25
"""What an untried place is worth beyond its prior, in quality; it falls with the root of the tries."""
REMEMBERED: Final = 4096
_MOST: Final = 500.0
"""Counts are halved above this, so that a model that changes is noticed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a question stands: decisions alike enough that asking about one tells of asking about another. `band` is the
    doubt, of `BANDS`."""

    agent: str
    request_class: str
    target: str
    band: int

    @classmethod
    def of(cls, agent: str, decision: RoutingDecision, doubt: float) -> Place:
        band = min(BANDS - 1, int(doubt * 2.0 * BANDS))
        return cls(agent=agent, request_class=decision.request_class, target=decision.target, band=band)


@dataclass(slots=True, kw_only=True, eq=False)
class _Seen:
    asked: float = 0.0
    changed: float = 0.0
    judged: float = 0.0
    gained: float = 0.0


class TrackRecord:
    """One per process."""

    def __init__(self) -> None:
        self._seen: dict[Place, _Seen] = {}
        self._open: OrderedDict[str, tuple[Place, float]] = OrderedDict()

    def gain(self, place: Place, doubt: float) -> float:
        """The quality that one question is expected to bring; below zero where the model made things worse."""
        seen = self._seen.get(place, _Seen())
        changes = max(doubt, LEAST_CHANGES) * PRIOR_WEIGHT + seen.changed
        each = PRIOR_GAIN * PRIOR_WEIGHT + seen.gained
        expected = changes / (PRIOR_WEIGHT + seen.asked) * (each / (PRIOR_WEIGHT + seen.judged))
        return expected + CURIOSITY / math.sqrt(1.0 + seen.asked)

    def answered(self, place: Place, *, changed: bool) -> None:
        """A model answered in time, and preferred another target or the fast choice."""
        seen = self._seen.setdefault(place, _Seen())
        seen.asked += 1.0
        seen.changed += changed
        if seen.asked > _MOST:
            seen.asked, seen.changed = seen.asked / 2.0, seen.changed / 2.0

    def followed(self, request_id: str, place: Place, promised: float) -> None:
        """A decision follows a changed choice; `promised` is the quality at which that would be no gain."""
        self._open[request_id] = (place, promised)
        if len(self._open) > REMEMBERED:
            self._open.popitem(last=False)

    def judged(self, request_id: str, score: float) -> None:
        """An answer was judged, in [0, 1]."""
        found = self._open.pop(request_id, None)
        if found is None:
            return
        place, promised = found
        seen = self._seen.setdefault(place, _Seen())
        seen.judged += 1.0
        seen.gained += score - promised
        if seen.judged > _MOST:
            seen.judged, seen.gained = seen.judged / 2.0, seen.gained / 2.0
