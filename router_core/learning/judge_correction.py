"""What a judge's score is worth, from how often the judge is wrong.

A judge that errs to both sides presses all targets towards each other, and so makes the cheap ones look better than they
are. With its measured error rates that is undone on average (Rogan and Gladen, 1978): (score - FPR) / (TPR - FPR). The
rates come from answers that were both judged and checked; until there are enough, the score counts as it is.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from router_core.record import dataclass

ENOUGH: Final = 50
"""Checked answers of each kind, good and bad, before rates are believed."""
LEAST_EDGE: Final = 0.2
"""TPR - FPR below which a judge says too little to be corrected: its judgements are not used."""
TRUTH: Final = "check"
"""The source that judges are measured against."""
WAITING: Final = 4096
BOUNDS: Final = (-1.0, 2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Sums over checked answers: how many were good and bad, and the judge's scores of either."""

    good: int = 0
    bad: int = 0
    good_scores: float = 0.0
    bad_scores: float = 0.0

    def with_pair(self, score: float, truth: float) -> Rates:
        """With one answer that was judged and checked."""
        if truth >= 0.5:
            return Rates(
                good=self.good + 1,
                bad=self.bad,
                good_scores=self.good_scores + score,
                bad_scores=self.bad_scores,
            )
        return Rates(
            good=self.good, bad=self.bad + 1, good_scores=self.good_scores, bad_scores=self.bad_scores + score
        )

    def __add__(self, other: Rates) -> Rates:
        return Rates(
            good=self.good + other.good,
            bad=self.bad + other.bad,
            good_scores=self.good_scores + other.good_scores,
            bad_scores=self.bad_scores + other.bad_scores,
        )


def corrected(score: float, rates: Rates) -> float | None:
    """The score as an unbiased estimate of the truth, which may lie outside of [0, 1]; None where the judge says nothing."""
    if rates.good < ENOUGH or rates.bad < ENOUGH:
        return score
    tpr, fpr = rates.good_scores / rates.good, rates.bad_scores / rates.bad
    if tpr - fpr < LEAST_EDGE:
        return None
    low, high = BOUNDS
    return min(high, max(low, (score - fpr) / (tpr - fpr)))


class Audit:
    """Pairs judgements of the same answer with its check, whichever comes first, and keeps each judge's rates."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, dict[str, float]] = OrderedDict()
        self.rates: dict[str, Rates] = {}

    def note(self, request_id: str, source: str, score: float) -> None:
        """One judgement or check."""
        scores = self._waiting.setdefault(request_id, {})
        if source in scores:
            return
        scores[source] = score
        if source == TRUTH:
            for judge, given in scores.items():
                self._pair(judge, given, score)
        elif TRUTH in scores:
            self._pair(source, score, scores[TRUTH])
        if len(self._waiting) > WAITING:
            self._waiting.popitem(last=False)

    def corrected(self, source: str, score: float) -> float | None:
        """See `corrected`; checks are taken at their word."""
        return score if source == TRUTH else corrected(score, self.rates.get(source, Rates()))

    def _pair(self, judge: str, score: float, truth: float) -> None:
        if judge != TRUTH:
            self.rates[judge] = self.rates.get(judge, Rates()).with_pair(score, truth)
