"""Fits the whole scorer: network, linear readings, calibration, doubt, check, and packs them into one file's arrays.

Every step that judges the network (calibration, the check after an answer) uses predictions for questions that the
predicting half has not seen: the rows are halved by group, each half predicts the other. The shipped network is then
fitted on all rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from router_core.learning.scorer import COUNT_LIMIT, TIER_HEADS, VECTOR_SCALE
from router_core.learning.scorer_text import TWICE
from router_core.learning.training.calibration import Seen, calibrated, calibration_of
from router_core.learning.training.clusters import CENTRES, centres_of, doubt_range, trust_near
from router_core.learning.training.features import Block
from router_core.learning.training.judged import Judged
from router_core.learning.training.linear import PAIR_RIDGE, TIER_RIDGE, linear_readings, with_hidden
from router_core.learning.training.network import Net, Shape, Target, fit, inputs, predict
from router_core.learning.training.words import Words, fit_words, rarity_of

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]
Arrays = dict[str, NDArray[Any]]
Progress = Callable[[float, str], None]
IMPORTANCE: Final = 2.0
OTHERS: Final = 0.5
PULL: Final = 0.5
"""Of the way to the mean that a text is drawn where nothing like it was judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What a fit works on: the judged rows, their blocks as written and disturbed, and the heads that are routed to; `paired` are those
    of tables with two models only, `together` the heads that the same rows know."""

    judged: Judged
    plain: Block
    disturbed: Block
    routed: tuple[str, ...]
    paired: frozenset[str] = frozenset()
    together: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """Arrays of the file that are learned, and the out-of-half chances of the routed heads (rows x routed)."""

    arrays: Arrays
    unseen: Doubles


def fit_scorer(
    material: Material,
    rows: Ints,
    *,
    seed: int = 0,
    shape: Shape | None = None,
    progress: Progress | None = None,
) -> Fitted:
    """Fit on `rows` of the material."""
    shape = shape or Shape()
    say = progress or _silent
    halves = _halves(material.judged.groups[rows], seed)
    columns = [material.judged.heads.index(name) for name in material.routed]
    seen = Seen.empty(len(rows), len(columns), len(material.judged.sources))
    for i in (0, 1):
        say(i / 4, f"half {i + 1} of 2")
        part = _Part(material, rows[halves == i], shape, seed + 1 + i)
        seen.put(halves == 1 - i, part.seen(rows[halves == 1 - i], columns))
    say(0.5, "all rows")
    whole = _Part(material, rows, shape, seed)
    arrays = whole.arrays()
    judged = material.judged
    known = np.ix_(rows, np.array(columns))
    arrays |= calibration_of(seen, judged.scores[known], judged.tokens[known])
    points = whole.points(rows)
    centres = centres_of(points, CENTRES, seed)
    arrays["centres"], arrays["doubt_range"] = centres, doubt_range(points, centres, seed)
    arrays["trust"] = trust_near(points, centres, ~np.isnan(judged.scores[known]))
    arrays["prior"] = _prior(judged.scores[rows])
    say(1.0, "fitted")
    return Fitted(arrays=arrays, unseen=calibrated(seen, arrays))


class _Part:
    """A network and its linear readings, fitted on some rows."""

    def __init__(self, material: Material, rows: Ints, shape: Shape, seed: int) -> None:
        counts = material.plain.counts[rows]
        self._mean = counts.mean(axis=0).astype(np.float32)
        self._spread = (counts.std(axis=0) + 1e-3).astype(np.float32)
        self._plain = self._scaled(material.plain)
        twins = self._scaled(material.disturbed).take(rows)
        self._net = fit((self._plain.take(rows), twins), _target(material, rows), shape, seed)
        columns = np.array([material.judged.heads.index(name) for name in material.routed])
        layer = with_hidden(self._net, self._plain, rows)
        judged = material.judged
        kinds = np.eye(len(judged.sources), dtype=np.float32)[judged.source[rows]]
        wanted = np.concatenate((judged.scores[np.ix_(rows, columns)], kinds), axis=1)
        self._linear, self._linear_bias = linear_readings(layer, wanted, _ridges(material))
        self._rarity = rarity_of(material.plain, rows)
        self._words, self._words_bias = _word_readings(material, rows, self._rarity)

    def _scaled(self, block: Block) -> Block:
        counts = np.clip((block.counts - self._mean) / self._spread, -COUNT_LIMIT, COUNT_LIMIT)
        return replace(block, vectors=block.vectors * np.float32(VECTOR_SCALE), counts=counts)

    def seen(self, rows: Ints, columns: Sequence[int]) -> Seen:
        """What it says of rows, before calibration."""
        answers = predict(self._net, self._plain, rows)
        linear = with_hidden(self._net, self._plain, rows) @ self._linear + self._linear_bias
        many, heads = len(columns), answers.shape[1] // 2
        kinds = np.maximum(linear[:, many:], 0)
        return Seen(
            odds=answers[:, list(columns)].astype(np.float64),
            lengths=answers[:, [heads + c for c in columns]].astype(np.float64),
            linear=linear[:, :many],
            words=self._by_words(rows),
            kinds=kinds / (kinds.sum(axis=1, keepdims=True) + 1e-6),
        )

    def _by_words(self, rows: Ints) -> Doubles:
        said = Words(self._plain, rows, self._rarity).read(self._words) + self._words_bias
        return said.astype(np.float64)

    def points(self, rows: Ints) -> Floats:
        """What doubt is measured on: the inputs that are not learned."""
        return inputs(self._plain, rows)

    def arrays(self) -> Arrays:
        """The file's form: small types, nets already averaged."""
        net: Net = self._net
        scale = (np.abs(net.bag).max(axis=0) / 127 + 1e-9).astype(np.float32)
        words = self._words * self._rarity[:, None]
        words_scale = (np.abs(words).max(axis=0) / 127 + 1e-9).astype(np.float32)
        return {
            "words": np.rint(words / words_scale).astype(np.int8),
            "rarity": self._rarity.astype(np.float16),
            "words_scale": words_scale,
            "words_bias": self._words_bias,
            "counts_mean": self._mean,
            "counts_spread": self._spread,
            "bag": np.rint(net.bag / scale).astype(np.int8),
            "bag_scale": scale,
            "enter": net.enter.astype(np.float16),
            "enter_bias": net.enter_bias,
            "leave": (net.leave.reshape(-1, net.leave.shape[2]) / net.leave.shape[0]).astype(np.float16),
            "leave_bias": net.leave_bias,
            "linear": self._linear.astype(np.float32),
            "linear_bias": self._linear_bias.astype(np.float32),
        }


def routed_heads(models: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The tiers, and every model that some source names for a tier."""
    return (*TIER_HEADS, *sorted({model for some in models.values() for model in some}))


def _ridges(material: Material) -> list[float]:
    """Per column of the linear readings: the routed heads, then the kinds."""
    heads = [PAIR_RIDGE if name in material.paired else TIER_RIDGE for name in material.routed]
    return heads + [TIER_RIDGE] * len(material.judged.sources)


def _word_readings(material: Material, rows: Ints, rarity: Floats) -> tuple[Floats, Floats]:
    """The words' reading of every routed head, one fit per set of heads that the same rows know."""
    weights = np.zeros((TWICE, len(material.routed)), np.float32)
    bias = np.zeros(len(material.routed), np.float32)
    for names in material.together:
        columns = np.array([material.judged.heads.index(name) for name in names])
        known = rows[~np.isnan(material.judged.scores[np.ix_(rows, columns)]).any(axis=1)]
        if len(known):
            place = [material.routed.index(name) for name in names]
            words = Words(material.plain, known, rarity)
            weights[:, place], bias[place] = fit_words(words, material.judged.scores[np.ix_(known, columns)])
    return weights, bias


def _halves(groups: Ints, seed: int) -> Ints:
    names = np.unique(groups)
    side = np.random.default_rng(seed).permutation(len(names)) % 2
    halves: Ints = side[np.searchsorted(names, groups)].astype(np.int64)
    return halves


def _target(material: Material, rows: Ints) -> Target:
    """Scores and log tokens with weights: small sources count more than their rows, routed heads more than others,
    and a row that many models answered no more than the root of that."""
    judged = material.judged
    scores, tokens = judged.scores[rows], np.log(np.maximum(judged.tokens[rows], 1))
    sizes = np.bincount(judged.source[rows], minlength=len(judged.sources))
    by_row = 1 / np.sqrt(np.maximum(sizes, 1))[judged.source[rows]]
    by_row = (by_row / by_row.mean()).astype(np.float32)[:, None]
    important = np.full(len(judged.heads), OTHERS, np.float32)
    important[[judged.heads.index(name) for name in material.routed]] = IMPORTANCE

    def weight(values: Floats) -> Floats:
        known = ~np.isnan(values) * important
        result: Floats = (known / np.sqrt(known.sum(axis=1, keepdims=True) + 1) * by_row).astype(np.float32)
        return result

    return Target(
        value=np.nan_to_num(np.concatenate((scores, tokens), axis=1)).astype(np.float32),
        weight=np.concatenate((weight(scores), weight(tokens)), axis=1),
        first_token=len(judged.heads),
    )


def _prior(scores: Floats) -> Floats:
    known = ~np.isnan(scores)
    total = np.where(known, scores, 0).sum(axis=0) + 1.0
    result: Floats = (total / (known.sum(axis=0) + 2.0)).astype(np.float32)
    return result


def _silent(_: float, __: str) -> None:
    return None
