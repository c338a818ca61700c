"""From tables to the file's arrays and card: the word table as it is stored, the texts as read with it, the whole fit."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from router_core.learning.scorer import TIER_HEADS, Scorer
from router_core.learning.scorer_text import TextReader
from router_core.learning.training.features import read_block
from router_core.learning.training.fit import (
    PULL,
    Fitted,
    Material,
    Progress,
    fit_scorer,
    routed_heads,
)
from router_core.learning.training.judged import Judged
from router_core.learning.training.network import Shape
from router_core.learning.training.perturb import disturbed

Arrays = dict[str, NDArray[Any]]
Ints = NDArray[np.int64]
RARE: Final = 1e-3
"""A piece of this frequency counts half of what a rare one does (smooth inverse frequency)."""
TABLE_PARTS: Final = ("vocabulary", "table", "table_norm")


def stored_table(pieces: Sequence[str], rows: NDArray[np.float32]) -> Arrays:
    """The word table in the file's form: a byte per number and one scale per row."""
    norm = (np.abs(rows).max(axis=1) / 127 + 1e-6).astype(np.float16)
    return {
        "vocabulary": np.frombuffer("\n".join(pieces).encode(), np.uint8),
        "table": np.clip(np.rint(rows / norm.astype(np.float32)[:, None]), -127, 127).astype(np.int8),
        "table_norm": norm,
    }


def weighed_table(table: Arrays, texts: Sequence[str]) -> Arrays:
    """The table with each row's scale lowered by how common its piece is in `texts`."""
    reader = _reader(table)
    seen = np.zeros(len(table["table"]))
    for text in texts:
        np.add.at(seen, reader.pieces(text), 1)
    share = (seen + 1) / (seen.sum() + len(seen))
    scale = table["table_norm"].astype(np.float32) * (RARE / (RARE + share)).astype(np.float32)
    return {**{name: table[name] for name in TABLE_PARTS}, "table_scale": scale.astype(np.float16)}


def material_of(judged: Judged, table: Arrays, models: Mapping[str, Sequence[str]], seed: int) -> Material:
    """The judged rows read with a weighed table, as written and disturbed."""
    reader = _reader(table)
    chance = random.Random(seed)  # noqa: S311 - perturbations for training, reproducible by design
    return Material(
        judged=judged,
        plain=read_block(reader, judged.texts),
        disturbed=read_block(reader, [disturbed(text, chance) for text in judged.texts]),
        routed=routed_heads(models),
        together=(TIER_HEADS, *sorted({tuple(some) for some in models.values()})),
        paired=frozenset(model for some in models.values() if len(some) == 2 for model in some),
    )


def trained(
    material: Material,
    table: Arrays,
    rows: Ints,
    *,
    seed: int,
    shape: Shape | None = None,
    progress: Progress | None = None,
) -> tuple[Arrays, dict[str, Any], Fitted]:
    """Arrays and card of a scorer fitted on `rows`, and what the fit knows of unseen halves."""
    fitted = fit_scorer(material, rows, seed=seed, shape=shape, progress=progress)
    judged = material.judged
    card = {
        "heads": list(judged.heads),
        "routed": list(material.routed),
        "pull": PULL,
        "rows": len(rows),
        "seed": seed,
        "sources": sorted({judged.sources[i] for i in np.unique(judged.source[rows])}),
    }
    return {**table, **fitted.arrays}, card, fitted


def scorer_of(arrays: Arrays, card: Mapping[str, Any]) -> Scorer:
    """A scorer over arrays in memory."""
    return Scorer(arrays, card)


def _reader(table: Arrays) -> TextReader:
    words = table["vocabulary"].tobytes().decode().split("\n")
    scale = table.get("table_scale", table["table_norm"]).astype(np.float32)
    return TextReader({word: row for row, word in enumerate(words)}, table["table"], scale)
