"""Predictions for the models behind some targets: a model's own head where it was judged, else its tier's.

A head that knows one model knows it for the kinds of text it was judged on. Elsewhere the tier's head, which has seen
every kind, takes over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from router_core.learning.scorer import TIER_HEADS, Predicted, Readout, Scorer
from router_core.learning.scorer_text import Reading

OF_TWO: Final = ("tier:device", "tier:cloud")
TIER_PAIRS: Final = tuple((tier, tier) for tier in TIER_HEADS)


class TargetScorer:
    """Predicts for a fixed list of (tier head, model) pairs."""

    def __init__(self, scorer: Scorer, pairs: Sequence[tuple[str, str]]) -> None:
        self._scorer = scorer
        own = [model if model in scorer.heads else tier for tier, model in pairs]
        self._readout: Readout = scorer.readout(own, [tier for tier, _ in pairs])

    def predict(self, text: str) -> Predicted:
        """Per pair, in their order."""
        return self.predict_reading(self._scorer.reader.read(text))

    def predict_reading(self, reading: Reading) -> Predicted:
        """The same from what was read."""
        return self._scorer.predict_reading(reading, self._readout)


def pairs_of(models: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Pairs for the models of one source, cheapest first: three are the tiers, two the first and the last."""
    tiers = TIER_HEADS if len(models) == len(TIER_HEADS) else OF_TWO
    return tuple(zip(tiers, models, strict=True))
