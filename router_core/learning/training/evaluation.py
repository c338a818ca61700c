"""What predictions are worth: every figure per source and for the mixture of workloads, with standard errors.

The mixture pools the sources with three tiers, at most `POOLED` rows of each, so that no single workload decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from router_core.learning.training.judged import Source
from router_core.learning.training.measures import (
    auc,
    brier,
    cost_usd_per_1k,
    excess_ece,
    peer_figures,
    tier_figures,
)

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]
Line = Mapping[str, Any]
POOLED: Final = 535
FEWEST: Final = 30
MISSING_TOKENS: Final = 100.0
TIERS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Judged rows with predictions: chances, expected and real cost, scores (rows x tiers), the check's chance (NaN
    where it has none), groups."""

    chance: Doubles
    expected: Doubles
    cost: Doubles
    score: Doubles
    sure: Doubles
    group: Ints

    def take(self, at: NDArray[Any]) -> Rows:
        """Some of the rows."""
        return replace(self, **{name: getattr(self, name)[at] for name in self.__dataclass_fields__})


def rows_of(source: Source, lines: Mapping[str, Line], split: Sequence[str] | None = None) -> Rows:
    """The rows of a table that all its tiers' models answered, that are not contaminated, and that were predicted."""
    columns, models = source.columns, source.models
    dirty = columns.get("contaminated") or [False] * len(columns["uid"])
    at = [
        i
        for i, uid in enumerate(columns["uid"])
        if str(uid) in lines
        and not dirty[i]
        and (split is None or columns["split"][i] in split)
        and all(columns[f"s:{m}"][i] is not None for m in models)
    ]
    found = [lines[str(columns["uid"][i])] for i in at]
    tokens = np.array([[_token(columns.get(f"t:{m}"), i) for m in models] for i in at], float).reshape(
        -1, len(models)
    )
    chars = np.array([len(str(columns["text"][i])) for i in at], float)
    guessed = np.maximum(np.array([line["tok"] for line in found], float).reshape(-1, len(models)), 1)
    three = len(models) == TIERS
    return Rows(
        chance=np.array([line["q"] for line in found], float).reshape(-1, len(models)),
        expected=cost_usd_per_1k(chars, guessed) if three else guessed,
        cost=cost_usd_per_1k(chars, tokens) if three else tokens,
        score=np.array([[columns[f"s:{m}"][i] for m in models] for i in at], float).reshape(-1, len(models)),
        sure=np.array([np.nan if line.get("v") is None else line["v"] for line in found], float),
        group=np.array([int(columns["group"][i]) if "group" in columns else -i for i in at], np.int64),
    )


def _token(column: list[Any] | None, row: int) -> float:
    return float((column[row] if column else None) or MISSING_TOKENS)


def mixture_of(parts: Sequence[Rows], seed: int = 0, bounds: Sequence[int] | None = None) -> Rows:
    """Pool of three-tier sources, each bounded."""
    taken = []
    for rows, bound in zip(parts, bounds or [POOLED] * len(parts), strict=True):
        at = np.arange(len(rows.score))
        if len(at) > bound:
            at = np.random.default_rng(seed).choice(at, bound, replace=False)
        taken.append(rows.take(at))
    return Rows(**{n: np.concatenate([getattr(r, n) for r in taken]) for n in Rows.__dataclass_fields__})


def figures_of(rows: Rows) -> dict[str, float]:
    """All figures of some rows; `sure_` ones judge the check where it was made."""
    chance, score = rows.chance, rows.score
    tie = 1e-9 * np.random.default_rng(0).random(len(score))
    found = peer_figures(chance[:, -1] - chance[:, 0] + tie, score[:, 0], score[:, -1])
    tiers = range(score.shape[1])
    found["auc"] = float(np.mean([auc(chance[:, j], score[:, j]) for j in tiers]))
    found["ece"] = float(np.mean([excess_ece(chance[:, j], score[:, j]) for j in tiers]))
    found["brier"] = float(np.mean([brier(chance[:, j], score[:, j]) for j in tiers]))
    if score.shape[1] == TIERS:
        found |= tier_figures(chance, rows.expected, rows.cost, score)
    checked = ~np.isnan(rows.sure)
    if checked.sum() >= FEWEST and checked.mean() > 0.5:
        sent = peer_figures(tie[checked] - rows.sure[checked], score[checked, 0], score[checked, -1])
        found |= {f"sure_{key}": value for key, value in sent.items()}
        found["sure_auc"] = auc(rows.sure[checked], score[checked, 0])
        found["sure_ece"] = excess_ece(rows.sure[checked], score[checked, 0])
    return found


def evaluation(
    sources: Sequence[Source], lines: Mapping[str, Line], split: Sequence[str] | None = None
) -> dict[str, dict[str, float]]:
    """Figures per source and of the mixture."""
    result: dict[str, dict[str, float]] = {}
    pool = []
    for source in sources:
        if not source.models or f"s:{source.models[0]}" not in source.columns:
            continue
        rows = rows_of(source, lines, split)
        if len(rows.score) < FEWEST:
            continue
        result[source.name] = {"n": float(len(rows.score)), **figures_of(rows)}
        if rows.score.shape[1] == TIERS:
            pool.append(rows)
    if pool:
        mixed = mixture_of(pool)
        result["mixture"] = {"n": float(len(mixed.score)), **figures_of(mixed)}
    return result


def resampled(
    rows: Rows, other: Rows, figures: Callable[[Rows], dict[str, float]], *, rounds: int = 40, seed: int = 0
) -> list[tuple[dict[str, float], dict[str, float]]]:
    """The figures of both routers in resamples of the same groups."""
    chance = np.random.default_rng(seed)
    found = []
    for _ in range(rounds):
        at = redrawn(rows, chance)
        found.append((figures(rows.take(at)), figures(other.take(at))))
    return found


def redrawn(rows: Rows, chance: np.random.Generator) -> Ints:
    """As many groups of the rows, drawn with replacement: their rows' places."""
    names, inverse = np.unique(rows.group, return_inverse=True)
    members = np.split(np.argsort(inverse, kind="stable"), np.cumsum(np.bincount(inverse))[:-1])
    return np.concatenate([members[i] for i in chance.integers(0, len(names), len(names))])
