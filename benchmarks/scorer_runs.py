"""Fits for the scorer's figures: cross-validated predictions of the scorer and of the baseline on the same questions."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.figures import SkippedError
from router_core.adapters.scorer_weights import open_arrays
from router_core.learning.scorer import TIER_HEADS, Scorer
from router_core.learning.scorer_check import Check
from router_core.learning.scorer_targets import TargetScorer, pairs_of
from router_core.learning.training.baseline import Baseline, words_and_pairs
from router_core.learning.training.checking import fitted_check
from router_core.learning.training.features import Ragged
from router_core.learning.training.fit import Material
from router_core.learning.training.judged import Source, judged, read_sources
from router_core.learning.training.packing import Arrays, material_of, trained, weighed_table

Ints = NDArray[np.int64]
Lines = dict[str, dict[str, Any]]
COLUMNS: Final = ("uid", "text", "domain", "group", "split", "contaminated", "s:", "t:", "a:")
ENOUGH: Final = 30
SEED: Final = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """The tables, read once."""

    sources: list[Source]
    material: Material
    table: Arrays
    pairs: Ragged

    @property
    def by_name(self) -> dict[str, Source]:
        """Tables that name tiers."""
        return {source.name: source for source in self.sources if source.models}


def open_bench() -> Bench:
    """Read what TIERWISE_ROUTING_DATA names."""
    named = os.environ.get("TIERWISE_ROUTING_DATA")
    if not named:
        raise SkippedError("TIERWISE_ROUTING_DATA names no folder of judged answers")
    sources = read_sources(Path(named), only=COLUMNS)
    rows = judged(sources)
    table = weighed_table(open_arrays()[0], rows.texts)
    models = {source.name: source.models for source in sources if source.models}
    return Bench(
        sources=sources,
        material=material_of(rows, table, models, SEED),
        table=table,
        pairs=words_and_pairs(rows.texts),
    )


def say(text: str) -> None:
    """A line about what is being fitted; such a run takes minutes."""
    print(f"  {text}", file=sys.stderr, flush=True)


def fitted_on(bench: Bench, rows: Ints) -> Scorer:
    """A scorer with its check, fitted on these rows alone."""
    arrays, card, fitted = trained(bench.material, bench.table, rows, seed=SEED)
    card["check"] = fitted_check(bench.sources, bench.material, rows, fitted.unseen)
    return Scorer(arrays, card)


def scored(bench: Bench, scorer: Scorer, rows: Ints) -> Lines:
    """The scorer's lines, as `tierwise predict` writes them."""
    check = Check.from_card(scorer.card["check"])
    targets = {name: TargetScorer(scorer, pairs_of(s.models)) for name, s in bench.by_name.items()}
    lines: Lines = {}
    for source, local, row in _located(bench, rows):
        found = targets[source.name].predict(bench.material.judged.texts[row])
        said = {name[2:]: c[local] for name, c in source.columns.items() if name.startswith("a:")}
        own = said.pop(source.models[0], None)
        sure = check.chance(found.quality[0], own, said) if check is not None and said else None
        lines[str(source.columns["uid"][local])] = {"q": found.quality, "tok": found.tokens, "v": sure}
    return lines


def baseline(bench: Bench, fit: Ints, rows: Ints) -> Lines:
    """The baseline's lines: one fit per table, and the tiers' own where a table was left out."""
    judged_rows, block = bench.material.judged, bench.pairs
    tiers: Baseline | None = None
    lines: Lines = {}
    for name, source in bench.by_name.items():
        number = judged_rows.sources.index(name)
        own, asked = fit[judged_rows.source[fit] == number], rows[judged_rows.source[rows] == number]
        if not len(asked):
            continue
        if len(own) >= ENOUGH:
            model = Baseline(judged_rows, block, own, source.models)
        else:
            tiers = tiers or Baseline(judged_rows, block, fit, TIER_HEADS)
            model = tiers
        chances, lengths = model.chances(asked), model.tokens
        if len(source.models) < chances.shape[1]:
            chances, lengths = chances[:, [0, 2]], lengths[[0, 2]]
        for row, chance in zip(asked, chances, strict=True):
            lines[judged_rows.uids[row]] = {"q": chance.tolist(), "tok": lengths.tolist(), "v": None}
    return lines


def few_labels(bench: Bench, source: str, labels: int) -> tuple[Ints, Ints]:
    """Rows to fit on when only so many questions of one table are labelled, and its other rows."""
    rows = bench.material.judged
    number = rows.sources.index(source)
    of_it = np.flatnonzero(rows.source == number)
    order = np.random.default_rng(SEED).permutation(len(of_it))
    kept, judged_rows = of_it[order[:labels]], of_it[order[labels:]]
    apart = ~np.isin(rows.groups, rows.groups[judged_rows])
    others = np.flatnonzero((rows.source != number) & apart)
    return np.concatenate((kept[apart[kept]], others)), judged_rows


def _located(bench: Bench, rows: Ints) -> Sequence[tuple[Source, int, int]]:
    starts = np.cumsum([0] + [len(s.columns["uid"]) for s in bench.sources])
    number = bench.material.judged.source
    return [
        (bench.sources[number[row]], int(row - starts[number[row]]), int(row))
        for row in rows
        if bench.sources[number[row]].models
    ]
