"""What is known of a model: how skilled it is at choosing targets, and how often it changes what the fast path read.

Skill is learned from judged answers, by agent and class of request: every answer that was asked about is evidence, whether the
advice was followed or not, because it is likelier to be good at one skill than at another. What is believed is a chance for each
skill; it begins even. To decide whether to ask, a skill is drawn from it, so that an unknown model is asked often and one that
was found wanting hardly ever: the drawing ends the exploring by itself.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

import numpy as np

from agents.deliberation.outlook import SKILLS, Doubles

BANDS: Final = 4
"""Bands of doubt between none and one half."""
REMEMBERED: Final = 4096
_MOST: Final = 500.0
"""Evidence is halved above so many judgements, so that a model that changes is noticed."""
PRIOR_GAIN: Final = 0.25
"""Quality that a changed reading is taken to bring: nobody judges readings by themselves."""
PRIOR_WEIGHT: Final = 4.0
LEAST_CHANGES: Final = 0.2
"""How often, at least, a model is taken to change a reading before it was asked."""
Place = tuple[str, str]
"""An agent and a class of request."""


@dataclass(slots=True, eq=False)
class _Evidence:
    log: Doubles
    judged: float = 0.0


@dataclass(slots=True, eq=False)
class _Readings:
    asked: float = 0.0
    changed: float = 0.0


class TrackRecord:
    """One per process."""

    def __init__(self) -> None:
        self._evidence: dict[Place, _Evidence] = {}
        self._open: OrderedDict[str, tuple[Place, str, Doubles]] = OrderedDict()
        self._readings: dict[tuple[Place, int], _Readings] = {}

    # ---- the skill of choosing ------------------------------------------------------------------------------------------

    def skills(self, place: Place) -> Doubles:
        """The chance of each of `SKILLS`."""
        found = self._evidence.get(place)
        if found is None:
            return np.full(len(SKILLS), 1.0 / len(SKILLS))
        chances = np.exp(found.log - found.log.max())
        result: Doubles = chances / chances.sum()
        return result

    def drawn(self, place: Place, fraction: float) -> int:
        """The skill at this fraction of what is believed, in [0, 1)."""
        at = int(np.searchsorted(np.cumsum(self.skills(place)), fraction, side="right"))
        return min(at, len(SKILLS) - 1)

    def advised(self, request_id: str, place: Place, target: str, good: Doubles) -> None:
        """A model was asked about a request that `target` answers; `good` is the chance that it does so well, by skill."""
        self._open[request_id] = (place, target, good)
        if len(self._open) > REMEMBERED:
            self._open.popitem(last=False)

    def judged(self, request_id: str, target: str, score: float) -> None:
        """An answer was judged, in [0, 1]. One that another target gave in the end says nothing here."""
        place, chosen, good = self._open.pop(request_id, (None, "", None))
        if place is None or good is None or chosen != target:
            return
        seen = self._evidence.setdefault(place, _Evidence(log=np.zeros(len(SKILLS))))
        seen.log = seen.log + score * np.log(good) + (1.0 - score) * np.log(1.0 - good)
        seen.judged += 1.0
        if seen.judged > _MOST:
            seen.judged, seen.log = seen.judged / 2.0, seen.log / 2.0

    # ---- how often a reading changes ------------------------------------------------------------------------------------

    def reading_gain(self, place: Place, doubt: float) -> float:
        """The quality that reading a request again is expected to bring, which falls while nothing changes."""
        seen = self._readings.get((place, _band(doubt)), _Readings())
        changes = max(doubt, LEAST_CHANGES) * PRIOR_WEIGHT + seen.changed
        return PRIOR_GAIN * changes / (PRIOR_WEIGHT + seen.asked)

    def read(self, place: Place, doubt: float, *, changed: bool) -> None:
        """A model read a request, and the decision changed by it or did not."""
        seen = self._readings.setdefault((place, _band(doubt)), _Readings())
        seen.asked += 1.0
        seen.changed += changed
        if seen.asked > _MOST:
            seen.asked, seen.changed = seen.asked / 2.0, seen.changed / 2.0


def _band(doubt: float) -> int:
    return min(BANDS - 1, int(doubt * 2.0 * BANDS))
