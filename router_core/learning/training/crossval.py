"""Grouped cross-validation the way unseen questions will differ: other questions of the same sources, and whole
sources and subjects that were never seen."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from router_core.learning.training.judged import Judged

Ints = NDArray[np.int64]
Split = tuple[Ints, Ints]
"""Rows to fit on, rows to judge."""
LEFT_OUT_SHARE: Final = 3
"""Every third subject of a source with many, and every third source of those with one, is left out at a time."""


def question_folds(judged: Judged, folds: int, seed: int = 0) -> list[Split]:
    """Folds by group: twins of one question are on one side."""
    names = np.unique(judged.groups)
    side = np.random.default_rng(seed).permutation(len(names)) % folds
    fold = side[np.searchsorted(names, judged.groups)]
    return [(np.flatnonzero(fold != i), np.flatnonzero(fold == i)) for i in range(folds)]


def subject_folds(judged: Judged) -> list[Split]:
    """Folds by subject: whole subjects of sources that have several, whole sources of those that have one. What
    shares a group with a judged row is not fitted on, either."""
    kind = _kinds(judged)
    fold = np.array([_fold_of(judged, row, kind) for row in range(len(judged.uids))])
    splits = []
    for i in range(LEFT_OUT_SHARE):
        out = np.flatnonzero(fold == i)
        apart = ~np.isin(judged.groups, judged.groups[out])
        splits.append((np.flatnonzero((fold != i) & apart), out))
    return splits


def _kinds(judged: Judged) -> dict[str, int]:
    """A number per subject. Subjects alternate by name; sources of one subject alternate by theirs."""
    by_source: dict[str, list[str]] = {}
    for row, domain in zip(judged.source, judged.domains, strict=True):
        seen = by_source.setdefault(judged.sources[row], [])
        if domain not in seen:
            seen.append(domain)
    kinds: dict[str, int] = {}
    single = 0
    for source, domains in sorted(by_source.items()):
        if len(domains) == 1:
            # One number per subject name, so that two tables of the same questions are left out together.
            kinds.setdefault(domains[0], single)
            single += 1
        for i, domain in enumerate(sorted(domains)):
            kinds.setdefault(f"{source}/{domain}", i)
    return kinds


def _fold_of(judged: Judged, row: int, kinds: dict[str, int]) -> int:
    domain = judged.domains[row]
    number = kinds.get(domain, kinds[f"{judged.sources[judged.source[row]]}/{domain}"])
    return number % LEFT_OUT_SHARE
