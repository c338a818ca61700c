"""Fits the check after a device answer on questions whose chances were predicted without having seen them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from router_core.learning.scorer_check import check_features, fit_check
from router_core.learning.training.fit import Material
from router_core.learning.training.judged import Source

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]
ENOUGH = 50


def fitted_check(
    sources: Sequence[Source], material: Material, rows: Ints, unseen: Doubles
) -> dict[str, Any] | None:
    """The check as the card keeps it; None where too few device answers have another beside them."""
    place = {int(row): i for i, row in enumerate(rows)}
    named: set[str] = set()
    for source in sources:
        answers = _answers(source)
        if answers and source.models[0] in answers:
            named |= set(answers) - {source.models[0]}
    features, right = [], []
    for quality, own, others, score in _examples(sources, material, place, unseen):
        features.append(check_features(quality, own, others, sorted(named)))
        right.append(score)
    if len(right) < ENOUGH:
        return None
    check = asdict(fit_check(np.array(features), np.array(right), sorted(named)))
    return {"named": list(check["named"]), "weights": [round(w, 6) for w in check["weights"]]}


def _answers(source: Source) -> dict[str, list[Any]]:
    return {name[2:]: column for name, column in source.columns.items() if name.startswith("a:")}


def _examples(
    sources: Sequence[Source], material: Material, place: dict[int, int], unseen: Doubles
) -> Iterator[tuple[float, str | None, dict[str, str | None], float]]:
    start = 0
    for source in sources:
        answers = _answers(source)
        if source.models and source.models[0] in answers and len(answers) > 1:
            yield from _of_source(source, answers, material, start, place, unseen)
        start += len(source.columns["uid"])


def _of_source(
    source: Source,
    answers: dict[str, list[Any]],
    material: Material,
    start: int,
    place: dict[int, int],
    unseen: Doubles,
) -> Iterator[tuple[float, str | None, dict[str, str | None], float]]:
    device = source.models[0]
    column = material.routed.index(device)
    head = material.judged.heads.index(device)
    for row in range(len(source.columns["uid"])):
        score = float(material.judged.scores[start + row, head])
        if start + row in place and not np.isnan(score):
            others = {name: said[row] for name, said in answers.items() if name != device}
            yield float(unseen[place[start + row], column]), answers[device][row], others, score
