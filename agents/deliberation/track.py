"""How often a model has been right, by agent and class: measured where an answer that followed it was judged.

Counts with a prior: without evidence a model is taken to be right a little more often than a coin, so that the gate asks only where
the fast path is in real doubt, and evidence moves it from there.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

PRIOR_RIGHT: Final = 7.0
PRIOR_WRONG: Final = 3.0
REMEMBERED: Final = 4096


class TrackRecord:
    """One per process."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], tuple[float, float]] = {}
        self._open: OrderedDict[str, tuple[str, str, float]] = OrderedDict()

    def accuracy(self, agent: str, request_class: str) -> float:
        """The chance that the model's answer is the better one."""
        right, wrong = self._counts.get((agent, request_class), (0.0, 0.0))
        return (PRIOR_RIGHT + right) / (PRIOR_RIGHT + PRIOR_WRONG + right + wrong)

    def followed(self, request_id: str, agent: str, request_class: str, expected: float) -> None:
        """A decision follows the model; `expected` is the quality that the fast choice promised."""
        self._open[request_id] = (agent, request_class, expected)
        if len(self._open) > REMEMBERED:
            self._open.popitem(last=False)

    def judged(self, request_id: str, score: float) -> None:
        """An answer was judged; one that followed the model was right if it is as good as the fast choice promised."""
        found = self._open.pop(request_id, None)
        if found is None:
            return
        agent, request_class, expected = found
        right, wrong = self._counts.get((agent, request_class), (0.0, 0.0))
        better = score >= expected
        self._counts[agent, request_class] = (right + better, wrong + (not better))
