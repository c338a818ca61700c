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
MAX_TOKENS: Final = 8_192.0
DECIMALS: Final = 4
"""Predictions are rounded before anything is decided by them, so that a recorded one replays to the bit."""
_TINY: Final = np.float32(1e-6)
WORDS_SHARE: Final = 0.5
"""How far the words' own reading counts: it is wrong on other questions than the network."""
KIND_PARTS: Final = ("kind_odds", "kind_tokens", "kind_level")


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """Per head in the order asked for: chance of a good answer and expected output tokens; `doubt` in [0, 1] says how
    far the text is from the training texts. `targets` are chances of targets with a head of their own, by name."""

    quality: tuple[float, ...]
    tokens: tuple[float, ...]
    doubt: float
    targets: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Readout:
    """The columns of some heads, ready for use. `weights` (layer x outputs) and `bias` give in one product the heads'
    log odds, their log tokens, their linear readings, and the kinds' shares; `kinds` what each kind adds to the three."""

    weights: Floats
    bias: Floats
    kinds: Floats
    share: tuple[float, ...]
    words: Floats
    words_bias: tuple[float, ...]
    words_share: tuple[float, ...]
    prior: tuple[float, ...]


class Scorer:
    """Inference over the arrays of one weights file (see `scorer_file`). Keeps no text."""

    def __init__(self, arrays: Mapping[str, Array], card: Mapping[str, Any]) -> None:
        try:
            self.heads: tuple[str, ...] = tuple(card["heads"])
            self.card = dict(card)
            words = bytes(arrays["vocabulary"].tobytes()).decode().split("\n")
            self._table, scale = arrays["table"], arrays["table_scale"].astype(np.float32)
            self._bag = arrays["bag"] * arrays["bag_scale"].astype(np.float32)
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
        self.reader = TextReader({word: row for row, word in enumerate(words)}, self._table, scale)
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
        arrays, routed = self._arrays, {name: i for i, name in enumerate(self.card["routed"])}
        place = [routed.get(name, -1) for name in names]
        known = np.array(place) >= 0
        columns = place + list(range(len(routed), arrays["linear"].shape[1]))
        above = np.zeros((self._enter.shape[0], len(both)), np.float32)
        slope = np.where(known, arrays["slope"][place], np.float32(1))
        scale = np.concatenate((slope, np.ones(len(at)))).astype(np.float32)
        net = np.concatenate((above, arrays["leave"][:, both].astype(np.float32) * scale))
        kinds = [np.where(known, arrays[n][:, place], np.float32(0)) for n in KIND_PARTS]
        share = float(self.card["linear_share"])
        return Readout(
            weights=np.ascontiguousarray(np.concatenate((net, arrays["linear"][:, columns]), axis=1)),
            bias=np.concatenate((arrays["leave_bias"][both] * scale, arrays["linear_bias"][columns])),
            kinds=np.ascontiguousarray(np.concatenate(kinds, axis=1), np.float32),
            words=np.ascontiguousarray(arrays["words"][:, place] * arrays["words_scale"][place]),
            words_bias=tuple(arrays["words_bias"][place].tolist()),
            words_share=tuple(WORDS_SHARE if there else 0.0 for there in known.tolist()),
            share=tuple(share if there else 0.0 for there in known.tolist()),
            prior=tuple(arrays["prior"][at].tolist()),
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
        answers = np.concatenate((x, hidden)) @ readout.weights
        answers += readout.bias
        many = len(readout.share)
        kinds = np.maximum(answers[3 * many :], 0)
        answers[: 3 * many] += (kinds @ readout.kinds) / (kinds.sum() + _TINY)
        said = answers.tolist()
        hashed = reading.hashed
        words = (np.add.reduce(readout.words[hashed], axis=0) / math.sqrt(len(hashed))).tolist()
        pull = doubt * self._pull
        quality = []
        for j in range(many):
            net = 1.0 / (1.0 + math.exp(-_within(said[j], 30.0)))
            chance = _chance(net + readout.share[j] * (_chance(said[2 * many + j]) - net))
            lexical = 1.0 / (1.0 + math.exp(-_within(words[j] + readout.words_bias[j], 30.0)))
            chance += readout.words_share[j] * (lexical - chance)
            # Drawn in chances, not log odds: that keeps the order of differences between heads.
            quality.append(round(_chance(chance + pull * (readout.prior[j] - chance)), DECIMALS))
        tokens = [
            round(min(MAX_TOKENS, max(1.0, math.exp(_within(t, 12.0)))), 1) for t in said[many : 2 * many]
        ]
        return Predicted(quality=tuple(quality), tokens=tuple(tokens), doubt=round(doubt, DECIMALS))

    def _inputs(self, reading: Reading) -> Floats:
        vector = reading.vector
        vector = vector * (np.float32(VECTOR_SCALE) / (np.sqrt(vector @ vector) + _TINY))
        counts = np.array(reading.counts, np.float32)
        counts -= self._mean
        counts /= self._spread
        counts = np.minimum(np.maximum(counts, -COUNT_LIMIT), COUNT_LIMIT)
        hashed = reading.hashed
        bag = np.add.reduce(self._bag[hashed], axis=0)
        bag /= np.float32(math.sqrt(len(hashed)))
        return np.concatenate((vector, counts, bag))

    def _doubt(self, point: Floats) -> float:
        """0 near a centre of the training texts, 1 as far away as kinds of text that were left out."""
        square = float(point @ point) - 2 * float((self._centres @ point - self._half_norms).max())
        return min(1.0, max(0.0, (math.sqrt(max(square, 0.0)) - self._near) / (self._far - self._near)))


def _within(value: float, limit: float) -> float:
    return min(limit, max(-limit, value))


def _chance(value: float) -> float:
    return min(1.0 - FLOOR, max(FLOOR, value))
