"""A model that the scorer has never seen gets a chance of its own from a hundred judged answers of the log."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import pytest

from benchmarks.simulator.world import EDGE, SPECS, STATE, contexts, policy, table_of
from router_core.context import RequestContext
from router_core.errors import ConfigurationError
from router_core.learning.adopted import Adopted, adopt, from_document, to_document
from router_core.routing.objective import weigh
from router_core.routing.table import compile_table, expected_quality


def asked(seed: int, count: int) -> list[tuple[float, ...]]:
    """The scorer's chances for device, edge and cloud: one difficulty, and a little of each its own."""
    chance = random.Random(seed)
    rows = []
    for _ in range(count):
        ease = chance.gauss(0.5, 1.2)
        rows.append(
            tuple(round(_chance(ease + level + chance.gauss(0, 0.3)), 4) for level in (-0.8, 0.2, 1.2))
        )
    return rows


def truth(quality: tuple[float, ...]) -> float:
    """The new model: very good at what is easy, lost at what is hard."""
    return _chance(2.0 * math.log(quality[1] / (1 - quality[1])) - 0.5)


def log_of(judged: int, seed: int = 1) -> list[Mapping[str, Any]]:
    chance = random.Random(seed)
    records: list[Mapping[str, Any]] = [{"kind": "state", **STATE.as_record()}]
    for number, row in enumerate(asked(seed, 400)):
        features = {"foreseen": [*row, 0.1]}
        records.append({"kind": "decision", "request_id": f"r{number}", "chosen": EDGE, "features": features})
        if number < judged:
            score = float(chance.random() < truth(row))
            records.append({"kind": "quality", "request_id": f"r{number}", "target": EDGE, "score": score})
    return records


def test_before_any_judgement_the_declared_quality_stands() -> None:
    head = adopt(EDGE, log_of(0))
    assert (head.judged, head.declared) == (0, 0.85)
    middle = float(np.mean([head.chance(row) for row in asked(9, 500)]))
    assert middle == pytest.approx(0.85, abs=0.03)


def test_a_hundred_judged_answers_are_worth_more_than_a_declaration() -> None:
    def error(judged: int) -> float:
        head = adopt(EDGE, log_of(judged))
        return float(np.mean([(head.chance(row) - truth(row)) ** 2 for row in asked(9, 1_000)]))

    assert error(100) < 0.3 * error(0)
    assert error(100) < 0.015


def test_a_head_survives_its_file_and_a_broken_file_is_refused() -> None:
    adopted = Adopted(heads={EDGE: adopt(EDGE, log_of(50))})
    document = json.loads(json.dumps(to_document(adopted)))
    assert from_document(document) == adopted
    document["heads"][EDGE]["weights"] = [1.0]
    for broken in (document, {}, None, {"schema": "other"}, {"schema": "tierwise.heads/1", "heads": []}):
        with pytest.raises(ValueError, match=r"document|numbers"):
            from_document(broken)


def test_a_log_without_the_scorers_chances_says_what_to_do() -> None:
    with pytest.raises(ConfigurationError, match=r"scorer\.share"):
        adopt(EDGE, log_of(5)[:20])
    with pytest.raises(ConfigurationError, match="declared"):
        adopt("cloud/unheard", log_of(5))


def test_decisions_read_the_targets_own_chance_to_the_same_bits_for_few_and_many() -> None:
    used = replace(policy("p"), scorer=replace(policy("p").scorer, share=1.0))
    few, own = table_of(used), next(contexts(3))
    context = replace(own, foreseen=(0.5, 0.6, 0.9, 0.2), adopted=((EDGE, 0.99), ("mec/gone", 0.1)))
    plain = replace(context, adopted=())
    edge = few.index[EDGE]
    better, before = weigh(context, few, ()), weigh(plain, few, ())
    assert better.quality[edge] > before.quality[edge]
    assert [q for i, q in enumerate(better.quality) if i != edge] == [
        q for i, q in enumerate(before.quality) if i != edge
    ]
    spec = SPECS[[one.name for one in SPECS].index(EDGE)]
    assert expected_quality(spec, context, 1.0) > expected_quality(spec, plain, 1.0)
    again = RequestContext.from_features(json.loads(json.dumps(context.features())))
    assert again == context and weigh(again, few, ()).scores == better.scores
    many = compile_table(_many(), used)
    assert weigh(context, many, ()).quality[many.index[EDGE]] == better.quality[edge]


def _many() -> Any:
    from router_core.resources import ResourceState

    more = [
        replace(target, spec=replace(target.spec, name=f"{target.spec.name}-{number}"))
        for target in STATE.targets
        for number in range(20)
    ]
    return ResourceState.of((*STATE.targets, *islice(more, 60)))


def _chance(odds: float) -> float:
    return 1.0 / (1.0 + math.exp(-odds))
