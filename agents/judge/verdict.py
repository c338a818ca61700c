"""What judging gives: the opinion of each judge, and what they say together."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from statistics import fmean, median
from typing import Final

from agents.judge.form import Scores
from agents.judge.rubric import RUBRIC
from router_core.record import dataclass

NOT_IN_FORM: Final = "the judge did not keep to the form"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """One judge's. `scores` None: it did not keep to the form."""

    target: str
    model: str
    same_family: bool
    scores: Scores | None
    cost_usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """The answer that was held beside the judged one: whose, and what its target is declared to be worth in [0, 1]."""

    target: str
    model: str
    text: str
    quality: float
    cost_usd: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A judgement, or why there is none (`skipped`). Costs count in both cases. `agreement` in [0, 1], None of one judge;
    `disputed`: less of it than the policy wants."""

    opinions: tuple[Opinion, ...] = ()
    skipped: str | None = None
    rubric: str = RUBRIC
    rival: Rival | None = None
    removed: int = 0
    least_agreement: float = 0.0

    @property
    def given(self) -> tuple[Scores, ...]:
        return tuple(one.scores for one in self.opinions if one.scores is not None)

    @property
    def score(self) -> float | None:
        """The middle of what the judges gave."""
        return round(median(one.score for one in self.given), 6) if self.given else None

    @property
    def criteria(self) -> Mapping[str, float]:
        """The mean of each criterion."""
        names = self.given[0].criteria if self.given else ()
        return {name: round(fmean(one.criteria[name] for one in self.given), 6) for name in names}

    @property
    def agreement(self) -> float | None:
        """1 minus the mean distance between two judges."""
        if len(self.given) < 2:
            return None
        apart = fmean(abs(one.score - other.score) for one, other in combinations(self.given, 2))
        return round(1.0 - apart, 6)

    @property
    def disputed(self) -> bool:
        return self.agreement is not None and self.agreement < self.least_agreement

    @property
    def quality(self) -> float | None:
        """What the answer's target is taught, None for nothing. A preference says only how far one answer is above the
        other: a win is half a point more than the rival is worth."""
        if self.score is None or self.disputed:
            return None
        if self.rival is None or "preferred" not in self.criteria:
            return self.score
        return round(min(1.0, max(0.0, self.rival.quality + self.score - 0.5)), 6)

    @property
    def cost_usd(self) -> float:
        return sum(one.cost_usd for one in self.opinions) + (
            0.0 if self.rival is None else self.rival.cost_usd
        )

    @property
    def why_none(self) -> str | None:
        """Why there is no score."""
        return None if self.given else self.skipped or NOT_IN_FORM
