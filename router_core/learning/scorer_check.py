"""How sure a small model's answer is once it is there: the chance that it is right, given what was predicted before
and whether other small models say the same.

Agreement is the one sign that also holds for subjects never seen in training. A named model's agreement has a weight
of its own; any other counts through the share that agrees. `keep_above` turns chances into a promise: of all answers,
at most a given share is kept although it is wrong.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from router_core.learning.logistic import fit_logistic, log_odds, sigmoid
from router_core.record import dataclass

Doubles = NDArray[np.float64]
GENERAL: Final = 8
"""Features that do not belong to one named model."""
RIDGE: Final = 1.0
_CLOTHES: Final = re.compile(r"[\s$,%]|\\(?:boxed|text|left|right|!|,)|^\(|\)$|\.$")
_ZEROS: Final = re.compile(r"(\d)\.0+$")


def plain_answer(answer: str | None) -> str | None:
    """An answer without signs of currency, grouping and case: what two models would have to share."""
    if answer is None:
        return None
    text = _ZEROS.sub(r"\1", _CLOTHES.sub("", str(answer)).strip("{}").lower())
    return text or None


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Fitted weights: `GENERAL` of them, then one per model of `named`."""

    named: tuple[str, ...]
    weights: tuple[float, ...]

    @classmethod
    def from_card(cls, written: Any) -> Check | None:
        """The check that a scorer's card holds, if it holds one."""
        if not isinstance(written, Mapping):
            return None
        return cls(named=tuple(written["named"]), weights=tuple(float(w) for w in written["weights"]))

    def chance(self, quality: float, own: str | None, others: Mapping[str, str | None]) -> float:
        """Chance that the answer `own` is right; `others` are other small models' answers by name."""
        row = check_features(quality, own, others, self.named)
        return float(sigmoid(np.array([np.dot(row, self.weights)]))[0])


def check_features(
    quality: float, own: str | None, others: Mapping[str, str | None], named: Sequence[str]
) -> Doubles:
    """One row of features; answers are compared in their plain form."""
    mine = plain_answer(own)
    said = {name: plain_answer(answer) for name, answer in others.items()}
    given = [answer for answer in said.values() if answer is not None]
    share = sum(a == mine for a in given) / len(given) if given and mine is not None else 0.0
    rival = max((given.count(a) for a in set(given) if a != mine), default=0) / max(len(given), 1)
    before = float(log_odds(np.array([quality]))[0])
    row = [
        1.0, before, float(mine is None), share - 0.5 if given else 0.0, float(bool(given) and share == 1.0),
        float(bool(given) and share == 0.0), rival, before * (share - 0.5 if given else 0.0),
    ]  # fmt: skip
    row += [_sign(said.get(name), mine) for name in named]
    return np.array(row)


def _sign(answer: str | None, mine: str | None) -> float:
    if answer is None or mine is None:
        return 0.0
    return 1.0 if answer == mine else -1.0


def fit_check(rows: Doubles, right: Doubles, named: Sequence[str]) -> Check:
    """Fit from rows of `check_features` and whether each answer was right."""
    weights = fit_logistic(
        rows, right, ridge=RIDGE, centre=np.array([0.0, 1.0] + [0.0] * (rows.shape[1] - 2))
    )
    return Check(named=tuple(named), weights=tuple(float(w) for w in weights))


def keep_above(chances: Doubles, right: Doubles, bad_kept: float, confidence: float = 0.95) -> float:
    """The lowest chance from which an answer is kept such that, with `confidence`, at most `bad_kept` of all answers
    are kept although wrong. Judged on answers that the check was not fitted on. Above 1 nothing is kept."""
    order = np.argsort(-chances, kind="stable")
    bad = np.cumsum(1.0 - right[order])
    count = len(chances)
    # The exact binomial test holds for each threshold; testing from the strictest down stops at the first failure, so that
    # it holds for the one that is chosen, too (fixed-sequence testing).
    most = most_bad(count, bad_kept, confidence)
    allowed = 0
    for at in range(count):
        if at + 1 < count and chances[order[at + 1]] == chances[order[at]]:
            continue  # a threshold keeps all that are as sure
        if bad[at] > most + 1e-9:
            break
        allowed = at + 1
    return float(chances[order[allowed - 1]]) if allowed else math.nextafter(1.0, 2.0)


def most_bad(count: int, share: float, confidence: float) -> int:
    """The most of `count` that may be bad while, with `confidence`, no more than `share` of all are; -1 where even none
    would not show it."""
    if not 0.0 < share < 1.0:
        return count if share >= 1.0 else -1
    below = 0.0
    for bad in range(count + 1):
        ways = math.lgamma(count + 1) - math.lgamma(bad + 1) - math.lgamma(count - bad + 1)
        below += math.exp(ways + bad * math.log(share) + (count - bad) * math.log1p(-share))
        if below > 1.0 - confidence:
            return bad - 1
    return count
