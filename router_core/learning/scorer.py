"""Predicts for a text how good each tier's answer would be, how long, and how far the text is from all that was learned.

One pass in numpy: word pieces -> a static table, words -> a learned table, counts -> one hidden layer -> heads. A head
belongs to a model that was judged, or to a tier. Heads of models that are routed to have two more readings, a linear
one of the same layer and one of the words and their pairs; the mean of the three log odds is calibrated. A model that
was never judged on texts of this kind gives way to its tier, and a text unlike all that was judged to the mean: there,
only lengths and levels are worth believing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from router_core.errors import ConfigurationError
from router_core.learning.scorer_file import Array
from router_core.learning.scorer_text import COUNTS, HASHED, TWICE, Reading, TextReader
from router_core.record import dataclass

Floats = NDArray[np.float32]
TIER_HEADS: Final = ("tier:device", "tier:mec", "tier:cloud")
VECTOR_SCALE: Final = 3.0
COUNT_LIMIT: Final = 4.0
GATE: Final = np.float32(-1.702)
FLOOR: Final = 0.01
"""Chances stay this far from 0 and 1: nothing that was measured justifies more."""
LONGEST: Final = math.log(8_192.0)
DECIMALS: Final = 4
"""Predictions are rounded before anything is decided by them, so that a recorded one replays to the bit."""
SHARES: Final = (0.3, 0.3, 0.4)
"""Of the network, the linear reading and the words in a routed head's log odds: they are wrong on other questions."""
LINEAR_FLOOR: Final = 0.02
TRUST_TIER: Final = 0.6
TRUST_TIER_LENGTH: Final = 0.7
"""How far a tier's head takes over, in chances and in log tokens, where its model was never judged."""
_TINY: Final = np.float32(1e-6)
_ONE: Final = np.float32(1)


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
    log odds, their log tokens, their linear readings, and the kinds' shares; `kinds` what each kind adds to the first
    two, and a one. `words` are columns of a reading, `pairs` the same of its pairs. `mix` says per head how the linear reading and
    the words count, `trust` per place among the training texts how much each head was judged there. With `behind`, the second
    half of the heads are those that stand behind the first."""

    weights: Floats
    bias: Floats
    kinds: Floats
    words: list[int]
    pairs: Floats
    words_bias: tuple[float, ...]
    mix: tuple[tuple[float, float], ...]
    prior: tuple[float, ...]
    trust: tuple[tuple[float, ...], ...]
    behind: bool


class Scorer:
    """Inference over the arrays of one weights file (see `scorer_file`). Keeps no text."""

    def __init__(self, arrays: Mapping[str, Array], card: Mapping[str, Any]) -> None:
        try:
            self.heads: tuple[str, ...] = tuple(card["heads"])
            self.card = dict(card)
            words = bytes(arrays["vocabulary"].tobytes()).decode().split("\n")
            self._table, scale = arrays["table"], arrays["table_scale"].astype(np.float32)
            self._bags = arrays["bag"].shape[1]
            self._mean, self._spread = arrays["counts_mean"], arrays["counts_spread"]
            self._enter, self._enter_bias = arrays["enter"].astype(np.float32), arrays["enter_bias"]
            self._centres = arrays["centres"]
            self._half_norms = (self._centres * self._centres).sum(axis=1) / 2
            self._near, self._far = (float(v) for v in arrays["doubt_range"])
            self._known = self._centres.shape[1]
            self._pull = float(card["pull"])
            self._rare = np.square(arrays["rarity"].astype(np.float32))
            self._arrays = arrays
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigurationError(f"scorer: damaged weights ({error})") from error
        self._check(len(words))
        self._routed = {name: i for i, name in enumerate(self.card["routed"])}
        vocabulary = {word: row for row, word in enumerate(words)}
        self.reader = TextReader(vocabulary, self._table, scale, self._hashed())
        self._index = {name: at for at, name in enumerate(self.heads)}
        self.tiers = self.readout(TIER_HEADS)

    def _check(self, words: int) -> None:
        width = self._table.shape[1] + COUNTS + self._bags
        sizes = [len(self._arrays[name]) for name in ("bag", "words", "rarity")]
        fits = self._table.shape[0] == words and sizes == [HASHED, TWICE, TWICE]
        if not fits or self._enter.shape[0] != width:
            raise ConfigurationError("scorer: the weights do not fit each other")
        if self._arrays["leave"].shape != (self._enter.shape[1], 2 * len(self.heads)):
            raise ConfigurationError("scorer: the weights do not fit each other")

    def _hashed(self) -> Floats:
        """What is known of each hashed word: its part of the bag, of every routed head's reading, and of its norm."""
        arrays = self._arrays
        bag = arrays["bag"] * arrays["bag_scale"].astype(np.float32)
        words = arrays["words"][:HASHED] * arrays["words_scale"]
        return np.concatenate((bag, words, self._rare[:HASHED, None]), axis=1)

    def readout(self, names: Sequence[str], behind: Sequence[str] = ()) -> Readout:
        """What is needed to predict for these heads, each with another behind it where it is not to be trusted. A name
        that is no head is a `KeyError`."""
        every = [*names, *behind]
        at = [self._index[name] for name in every]
        both = at + [len(self.heads) + i for i in at]
        arrays, routed = self._arrays, len(self._routed)
        place = [self._routed.get(name, -1) for name in every]
        known = np.array(place) >= 0
        columns = place + list(range(routed, arrays["linear"].shape[1]))
        above = np.zeros((self._enter.shape[0], len(both)), np.float32)
        slope = [float(arrays["slope"][p]) if p >= 0 else 0.0 for p in place]
        scale = [SHARES[0] * one if one else 1.0 for one in slope] + [1.0] * len(at)
        leave = arrays["leave"][:, both].astype(np.float32) * np.array(scale, np.float32)
        net = np.concatenate((above, leave))
        kinds = [np.where(known, arrays[n][:, place], np.float32(0)) for n in ("kind_odds", "kind_tokens")]
        kinds.append(np.ones((len(kinds[0]), 1), np.float32))
        pairs = arrays["words"][HASHED:, place] * arrays["words_scale"][place]
        return Readout(
            weights=np.ascontiguousarray(np.concatenate((net, arrays["linear"][:, columns]), axis=1)),
            bias=np.concatenate(
                (arrays["leave_bias"][both] * np.array(scale, np.float32), arrays["linear_bias"][columns])
            ),
            kinds=np.ascontiguousarray(np.concatenate(kinds, axis=1), np.float32),
            words=[self._bags + p for p in place] + [self._bags + routed],
            pairs=np.ascontiguousarray(np.concatenate((pairs, self._rare[HASHED:, None]), axis=1)),
            words_bias=tuple(arrays["words_bias"][place].tolist()),
            mix=tuple((SHARES[1] * one, SHARES[2] * one) for one in slope),
            prior=tuple(arrays["prior"][at].tolist()),
            trust=self._trust(place),
            behind=bool(behind),
        )

    def _trust(self, place: Sequence[int]) -> tuple[tuple[float, ...], ...]:
        """Per centre and head; a head that is not routed to is taken as it is."""
        near = self._arrays["trust"][:, place] / np.float32(255)
        return tuple(tuple(row) for row in np.where(np.array(place) >= 0, near, np.float32(1)).tolist())

    def predict(self, text: str, readout: Readout | None = None) -> Predicted:
        """Predict for one text; by default for the three tiers."""
        return self.predict_reading(self.reader.read(text), readout or self.tiers)

    def predict_reading(self, reading: Reading, readout: Readout) -> Predicted:
        """The same from what was read."""
        x = self._inputs(reading)
        near, doubt = self._place(x[: self._known])
        chances, lengths = self._answers(x, reading, readout)
        trust, many = readout.trust[near], len(lengths)
        after = 0
        if readout.behind:
            after = many = many // 2
        quality, tokens = [], []
        for j in range(many):
            own, other, unknown = chances[j], j + after, 1.0 - trust[j]
            chance = own + TRUST_TIER * unknown * (chances[other] - own)
            pull = self._pull * max(min(unknown, 1.0 - trust[other]), doubt)
            # Drawn in chances, not log odds: that keeps the order of differences between heads.
            chance += pull * (readout.prior[other] - chance)
            quality.append(round(min(1.0 - FLOOR, max(FLOOR, chance)), DECIMALS))
            length = lengths[j] + TRUST_TIER_LENGTH * unknown * (lengths[other] - lengths[j])
            tokens.append(round(math.exp(min(LONGEST, max(0.0, length))), 1))
        return Predicted(quality=tuple(quality), tokens=tuple(tokens), doubt=round(doubt, DECIMALS))

    def _answers(self, x: Floats, reading: Reading, readout: Readout) -> tuple[list[float], list[float]]:
        """Chances and log tokens of all heads of a readout, calibrated."""
        before = x @ self._enter
        before += self._enter_bias
        hidden = before / (_ONE + np.exp(GATE * before))
        answers = np.concatenate((x, hidden)) @ readout.weights
        answers += readout.bias
        many = len(readout.mix)
        kinds = np.maximum(answers[3 * many :], 0)
        level = kinds @ readout.kinds
        answers[: 2 * many] += level[:-1] / (level[-1] + _TINY)
        said, words = answers.tolist(), self._words(reading, readout)
        chances = []
        for j, (linear, lexical) in enumerate(readout.mix):
            odds = said[j]
            if linear:
                odds += linear * _log_odds(said[2 * many + j]) + lexical * words[j]
            chances.append(1.0 / (1.0 + math.exp(min(30.0, max(-30.0, -odds)))))
        return chances, said[many : 2 * many]

    def _words(self, reading: Reading, readout: Readout) -> list[float]:
        """What the words and their pairs say, per head."""
        total = reading.hashed[readout.words]
        total += np.add.reduce(readout.pairs.take(reading.pairs, axis=0), axis=0)
        *sums, square = total.tolist()
        root = math.sqrt(square)
        return [one / root + bias for one, bias in zip(sums, readout.words_bias, strict=True)]

    def _inputs(self, reading: Reading) -> Floats:
        vector = reading.vector
        vector = vector * (np.float32(VECTOR_SCALE) / (np.sqrt(vector @ vector) + _TINY))
        counts = np.array(reading.counts, np.float32)
        counts -= self._mean
        counts /= self._spread
        counts = np.minimum(np.maximum(counts, -COUNT_LIMIT), COUNT_LIMIT)
        bag = reading.hashed[: self._bags] * np.float32(1.0 / math.sqrt(reading.weight))
        return np.concatenate((vector, counts, bag))

    def _place(self, point: Floats) -> tuple[int, float]:
        """The nearest centre of the training texts, and doubt: 0 near it, 1 as far away as kinds of text that were
        left out."""
        closeness = self._centres @ point - self._half_norms
        near = int(closeness.argmax())
        square = float(point @ point) - 2 * float(closeness[near])
        far = (math.sqrt(max(square, 0.0)) - self._near) / (self._far - self._near)
        return near, min(1.0, max(0.0, far))


def _log_odds(value: float) -> float:
    chance = min(1.0 - LINEAR_FLOOR, max(LINEAR_FLOOR, value))
    return math.log(chance / (1.0 - chance))
