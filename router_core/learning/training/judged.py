"""Tables of judged answers as arrays: which question, asked of which model, answered how well and at what length.

A folder holds one Parquet file per source (`uid`, `text`, `domain`, `group`, `s:<model>` scores, `t:<model>` output
tokens, `a:<model>` final answers of small models) and a `manifest.json` that names each source's models by tier.
Rows of one group are twins of one question: whoever splits, splits groups.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from router_core.errors import ConfigurationError

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
TIER_HEADS: Final = ("tier:device", "tier:mec", "tier:cloud")
OWN_GROUPS: Final = 10_000_000
"""Group numbers from here on are given to rows whose table names none."""
_STEM: Final = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One table: `columns` of its file and the models of the tiers, cheapest first (two or three)."""

    name: str
    columns: Mapping[str, list[Any]]
    models: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """All tables in one: `scores` and `tokens` are rows x `heads`, NaN where nothing is known. The last three heads
    are the tiers themselves, whichever model stood for them."""

    heads: tuple[str, ...]
    sources: tuple[str, ...]
    source: Ints
    uids: list[str]
    domains: list[str]
    texts: list[str]
    groups: Ints
    scores: Floats
    tokens: Floats


def read_sources(folder: Path, *, only: Sequence[str] = ("uid", "text")) -> list[Source]:
    """Every table of the folder, sorted by name. `only` names columns, or prefixes of columns ending in a colon."""
    parquet = _parquet()
    try:
        manifest: dict[str, list[str | None]] = json.loads((folder / "manifest.json").read_text("utf-8"))[
            "tiers"
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{folder}: no readable manifest.json with tiers ({error})") from error
    found = []
    for file in sorted(folder.glob("*.parquet")):
        names = parquet.read_schema(file).names
        wanted = [n for n in names if n in only or any(o.endswith(":") and n.startswith(o) for o in only)]
        columns = parquet.read_table(file, columns=wanted).to_pydict()
        models = tuple(m for m in manifest.get(file.stem, ()) if m)
        found.append(Source(name=file.stem, columns=columns, models=models))
    if not found:
        raise ConfigurationError(f"{folder}: no tables (*.parquet)")
    return found


def _parquet() -> Any:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise ConfigurationError(
            "tables of judged answers need pyarrow: pip install 'tierwise[scorer]'"
        ) from error
    return parquet


def judged(sources: Sequence[Source]) -> Judged:
    """The tables with their scores and lengths as one block of arrays."""
    models = sorted({column[2:] for s in sources for column in s.columns if column.startswith("s:")})
    index = {name: i for i, name in enumerate((*models, *TIER_HEADS))}
    sizes = [len(s.columns["uid"]) for s in sources]
    scores = np.full((sum(sizes), len(index)), np.nan, np.float32)
    tokens = np.full_like(scores, np.nan)
    start = 0
    for source, size in zip(sources, sizes, strict=True):
        _fill(source, index, scores[start : start + size], tokens[start : start + size])
        start += size
    return Judged(
        heads=tuple(index),
        sources=tuple(s.name for s in sources),
        source=np.repeat(np.arange(len(sources)), sizes),
        uids=[str(uid) for s in sources for uid in s.columns["uid"]],
        domains=[str(d) for s in sources for d in s.columns.get("domain", [s.name] * len(s.columns["uid"]))],
        texts=[str(text) for s in sources for text in s.columns["text"]],
        groups=_groups(sources),
        scores=scores,
        tokens=tokens,
    )


def _fill(source: Source, index: Mapping[str, int], scores: Floats, tokens: Floats) -> None:
    for column, values in source.columns.items():
        block = {"s:": scores, "t:": tokens}.get(column[:2])
        if block is not None:
            block[:, index[column[2:]]] = np.array([np.nan if v is None else v for v in values], np.float32)
    if len(source.models) == len(TIER_HEADS):
        for tier, model in zip(TIER_HEADS, source.models, strict=True):
            scores[:, index[tier]] = scores[:, index[model]]
            tokens[:, index[tier]] = tokens[:, index[model]]


def _groups(sources: Sequence[Source]) -> Ints:
    """Each row's group; a table without groups joins the group of a question with the same opening words."""
    by_stem: dict[str, int] = {}
    for s in sources:
        for text, group in zip(s.columns["text"], s.columns.get("group", ()), strict=False):
            by_stem.setdefault(stem(text), int(group))
    groups: list[int] = []
    for s in sources:
        if "group" in s.columns:
            groups += (int(g) for g in s.columns["group"])
        else:
            groups += (by_stem.setdefault(stem(t), OWN_GROUPS + len(by_stem)) for t in s.columns["text"])
    return np.array(groups, np.int64)


def stem(text: str) -> str:
    """The question without its options, letters and digits only: the same for twins in two tables."""
    return _STEM.sub("", re.split(r"\n\(?A[.)]", text, maxsplit=1)[0].lower())[:160]
