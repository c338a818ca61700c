"""How right a judge is, measured on answers whose worth is known: what its scores say of good and of bad ones.

The sums are what corrects its judgements later (Rogan and Gladen, 1978; `router_core.learning.judge_correction`).
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Final

from agents.judge.verdict import Verdict
from router_core.learning.judge_correction import ENOUGH, LEAST_EDGE, Rates
from router_core.record import dataclass

GOOD: Final = 0.5
"""From here on, a label or a score says that an answer is good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """An answer whose worth somebody said: `label` in [0, 1]."""

    question: str
    answer: str
    label: float
    model: str = ""
    reference: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Of `asked` answers `judged` got a score. `kappa`: Cohen's, of good against bad; `error`: mean distance of score and
    label, `bias`: score minus label; `auc`: how often a good answer is scored above a bad one; `agreement`: of several
    judges. Costs in USD."""

    asked: int
    judged: int
    rates: Rates
    kappa: float
    error: float
    bias: float
    auc: float
    agreement: float | None
    cost_usd: float

    @property
    def tpr(self) -> float:
        """Mean score of good answers."""
        return self.rates.good_scores / self.rates.good if self.rates.good else 0.0

    @property
    def fpr(self) -> float:
        """Mean score of bad answers."""
        return self.rates.bad_scores / self.rates.bad if self.rates.bad else 0.0

    @property
    def usable(self) -> bool:
        """Whether its judgements can be corrected: enough of both kinds, and a score that tells them apart."""
        enough = min(self.rates.good, self.rates.bad) >= ENOUGH
        return enough and self.tpr - self.fpr >= LEAST_EDGE


def calibration(cases: Sequence[Labelled], verdicts: Sequence[Verdict]) -> Calibration:
    """What these verdicts on these answers say, in their order. Raises ValueError where none has a score."""
    pairs = [
        (verdict.score, case.label)
        for case, verdict in zip(cases, verdicts, strict=True)
        if verdict.score is not None
    ]
    if not pairs:
        raise ValueError("no answer got a score")
    rates = Rates()
    for score, label in pairs:
        rates = rates.with_pair(score, label)
    agreements = [verdict.agreement for verdict in verdicts if verdict.agreement is not None]
    return Calibration(
        asked=len(cases),
        judged=len(pairs),
        rates=rates,
        kappa=_kappa([(score >= GOOD, label >= GOOD) for score, label in pairs]),
        error=fmean(abs(score - label) for score, label in pairs),
        bias=fmean(score - label for score, label in pairs),
        auc=_auc(pairs),
        agreement=fmean(agreements) if agreements else None,
        cost_usd=sum(verdict.cost_usd for verdict in verdicts),
    )


def _kappa(said: Sequence[tuple[bool, bool]]) -> float:
    """Agreement beyond chance (Cohen, 1960); 0 where chance explains everything."""
    share = len(said)
    same = sum(one == other for one, other in said) / share
    ours, theirs = (sum(pair[place] for pair in said) / share for place in (0, 1))
    chance = ours * theirs + (1.0 - ours) * (1.0 - theirs)
    return 0.0 if chance == 1.0 else (same - chance) / (1.0 - chance)


def _auc(pairs: Sequence[tuple[float, float]]) -> float:
    """The chance that a good answer's score is above a bad one's, half of it where they are equal; 0.5 without both."""
    good = [score for score, label in pairs if label >= GOOD]
    bad = sorted(score for score, label in pairs if label < GOOD)
    if not good or not bad:
        return 0.5
    won = sum((one > other) + 0.5 * (one == other) for one in good for other in bad)
    return won / (len(good) * len(bad))
