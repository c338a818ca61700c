"""Predicts for a text how good each tier's answer would be, how long, and how far the text is from all that was learned.

One pass in numpy: word pieces -> a static table, words and pairs -> a learned table, counts -> one hidden layer ->
heads. A head belongs to a model that was judged, or to a tier; heads of models that are routed to also have a linear
reading of the same layer, which ranks the difference between models better, and a calibration. Where a text is unlike
the training texts the chances are drawn towards the head's own mean: there, only lengths are worth believing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from router_core.errors import ConfigurationError
from router_core.learning.scorer_file import Array
from router_core.learning.scorer_text import COUNTS, HASHED, Reading, TextReader
from router_core.record import dataclass

Floats = NDArray[np.float32]
TIER_HEADS: Final = ("tier:device", "tier:mec", "tier:cloud")
VECTOR_SCALE: Final = 3.0
COUNT_LIMIT: Final = 4.0
GATE: Final = np.float32(-1.702)
FLOOR: Final = 0.01
"""Chances stay this far from 0 and 1: nothing that was measured justifies more."""
MAX_TOKENS: Final = 8_192
DECIMALS: Final = 4
"""Predictions are rounded before anything is decided by them, so that a recorded one replays to the bit."""
_TINY: Final = np.float32(1e-6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """Per head in the order asked for: chance of a good answer and expected output tokens; `doubt` in [0, 1] says how
    far the text is from the training texts."""

    quality: tuple[float, ...]
    tokens: tuple[float, ...]
    doubt: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Readout:
    """The columns of some heads, ready for use: net and linear weights, calibration, prior, smallest chance."""

    net: Floats
    net_bias: Floats
    linear: Floats
    linear_bias: Floats
    share: Floats
    slope: Floats
    kind_odds: Floats
    kind_level: Floats
    kind_tokens: Floats
    prior: Floats


class Scorer:
    """Inference over the arrays of one weights file (see `scorer_file`). Keeps no text."""

    def __init__(self, arrays: Mapping[str, Array], card: Mapping[str, Any]) -> None:
        try:
            self.heads: tuple[str, ...] = tuple(card["heads"])
            self.card = dict(card)
            words = bytes(arrays["vocabulary"].tobytes()).decode().split("\n")
            self._table, self._table_scale = arrays["table"], arrays["table_scale"].astype(np.float32)
            self._bag, self._bag_scale = arrays["bag"], arrays["bag_scale"].astype(np.float32)
            self._mean, self._spread = arrays["counts_mean"], arrays["counts_spread"]
            self._enter, self._enter_bias = arrays["enter"].astype(np.float32), arrays["enter_bias"]
            self._centres = arrays["centres"]
            self._half_norms = (self._centres * self._centres).sum(axis=1) / 2
            self._near, self._far = (float(v) for v in arrays["doubt_range"])
            self._known = self._centres.shape[1]
            self._pull = float(card["pull"])
            self._arrays = arrays
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigurationError(f"scorer: damaged weights ({error})") from error
        self._check(len(words))
        self.reader = TextReader({word: row for row, word in enumerate(words)})
        self._index = {name: at for at, name in enumerate(self.heads)}
        self.tiers = self.readout(TIER_HEADS)

    def _check(self, words: int) -> None:
        width = self._table.shape[1] + COUNTS + self._bag.shape[1]
        fits = (
            self._table.shape[0] == words and self._bag.shape[0] == HASHED and self._enter.shape[0] == width
        )
        if not fits or self._arrays["leave"].shape != (self._enter.shape[1], 2 * len(self.heads)):
            raise ConfigurationError("scorer: the weights do not fit each other")

    def readout(self, names: Sequence[str]) -> Readout:
        """What is needed to predict for these heads. A name that is no head is a `KeyError`."""
        at = [self._index[name] for name in names]
        both = at + [len(self.heads) + i for i in at]
        arrays = self._arrays
        routed = {name: i for i, name in enumerate(self.card["routed"])}
        known = np.array([routed.get(name, -1) for name in names])
        share = np.where(known >= 0, np.float32(self.card["linear_share"]), np.float32(0))
        slope = np.where(known >= 0, arrays["slope"][known], np.float32(1))
        columns = np.concatenate((known, np.arange(len(routed), arrays["linear"].shape[1])))
        return Readout(
            net=np.ascontiguousarray(arrays["leave"][:, both], np.float32),
            net_bias=arrays["leave_bias"][both],
            linear=np.ascontiguousarray(arrays["linear"][:, columns], np.float32),
            linear_bias=arrays["linear_bias"][columns],
            share=share.astype(np.float32),
            slope=slope.astype(np.float32),
            kind_odds=np.where(known >= 0, arrays["kind_odds"][:, known], np.float32(0)),
            kind_level=np.where(known >= 0, arrays["kind_level"][:, known], np.float32(0)),
            kind_tokens=np.where(known >= 0, arrays["kind_tokens"][:, known], np.float32(0)),
            prior=arrays["prior"][at],
        )

    def predict(self, text: str, readout: Readout | None = None) -> Predicted:
        """Predict for one text; by default for the three tiers."""
        return self.predict_reading(self.reader.read(text), readout or self.tiers)

    def predict_reading(self, reading: Reading, readout: Readout) -> Predicted:
        """The same from what was read."""
        x = self._inputs(reading)
        doubt = self._doubt(x[: self._known])
        before = x @ self._enter
        before += self._enter_bias
        hidden = before / (1 + np.exp(GATE * before))
        answers = hidden @ readout.net
        answers += readout.net_bias
        many = len(readout.share)
        linear = np.concatenate((x, hidden)) @ readout.linear
        linear += readout.linear_bias
        kinds = np.maximum(linear[many:], 0)
        kinds /= kinds.sum() + _TINY
        net = 1 / (1 + np.exp(-(answers[:many] * readout.slope + kinds @ readout.kind_odds)))
        level = np.clip(linear[:many] + kinds @ readout.kind_level, FLOOR, 1 - FLOOR)
        quality = net + readout.share * (level - net)
        quality = np.clip(quality, FLOOR, 1 - FLOOR)
        # Drawn in chances, not log odds: that keeps the order of differences between heads.
        quality += np.float32(doubt * self._pull) * (readout.prior - quality)
        length = answers[many:] + kinds @ readout.kind_tokens
        tokens = np.clip(np.exp(np.minimum(length, 12.0)), 1.0, MAX_TOKENS)
        return Predicted(
            quality=tuple(round(q, DECIMALS) for q in quality.tolist()),
            tokens=tuple(round(t, 1) for t in tokens.tolist()),
            doubt=round(doubt, DECIMALS),
        )

    def _inputs(self, reading: Reading) -> Floats:
        pieces = reading.pieces
        vector = self._table_scale[pieces] @ self._table[pieces].astype(np.float32)
        vector *= np.float32(VECTOR_SCALE) / (np.sqrt(vector @ vector) + _TINY)
        counts = np.array(reading.counts, np.float32)
        counts -= self._mean
        counts /= self._spread
        np.clip(counts, -COUNT_LIMIT, COUNT_LIMIT, out=counts)
        hashed = reading.hashed
        bag = self._bag[hashed].sum(axis=0, dtype=np.float32)
        bag *= self._bag_scale / np.float32(np.sqrt(len(hashed)))
        return np.concatenate((vector, counts, bag))

    def _doubt(self, point: Floats) -> float:
        """0 near a centre of the training texts, 1 as far away as kinds of text that were left out."""
        square = float(point @ point) - 2 * float((self._centres @ point - self._half_norms).max())
        return min(1.0, max(0.0, (math.sqrt(max(square, 0.0)) - self._near) / (self._far - self._near)))
