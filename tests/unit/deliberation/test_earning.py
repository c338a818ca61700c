"""The gate earns its keep on requests whose answers are known: no cell far below the better of never and always asking.

The same engine measures it on judged answers (`python -m benchmarks --only deliberation`).
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from benchmarks.deliberation.world import (
    PRICES,
    STAKE_USD,
    TARGETS,
    Case,
    case,
    gated,
    lengths,
    table_of,
    worth,
)
from router_core.context import RequestContext

COSTS = (0.0001 * STAKE_USD, 0.013 * STAKE_USD, 0.086 * STAKE_USD)


def cases(count: int, seed: int = 4) -> list[Case]:
    """Requests of every difficulty, whose chances the router knows; easy ones are easy for all."""
    draw, table, made = random.Random(seed), table_of(gated(share=1.0)), []
    for number in range(count):
        chances = [min(0.97, max(0.05, draw.gauss(middle, 0.2))) for middle in (0.52, 0.70, 0.79)]
        luck = draw.random()
        scores = [float((luck if draw.random() < 0.5 else draw.random()) < chance) for chance in chances]
        context = RequestContext(
            request_id=f"r{seed}-{number}",
            tenant="acme",
            task="chat",
            request_class="complex",
            complexity=0.5,
            prompt_tokens=120,
            output_tokens=120,
            max_output_tokens=512,
            fit_tokens=400,
            foreseen=(*(round(chance, 4) for chance in chances), 0.0),
        )
        made.append(case(context, table, scores, COSTS))
    return made


@pytest.mark.parametrize(
    ("accuracy", "price"),
    [(0.5, "Nova Pro"), (0.65, "Nova Micro"), (0.8, "Nova Pro"), (0.95, "Nova Lite")],
)
async def test_the_gate_is_no_worse_than_never_or_always(
    accuracy: float, price: str, at_size: Callable[[int, int], int]
) -> None:
    count = at_size(800, 10_000)
    given = cases(count)
    assert all(one.open for one in given)
    assert {one.best for one in given} == set(TARGETS)
    found = await worth(given, await lengths(given), accuracy, PRICES[price])
    # What finding out costs is spread over the requests: few have to bear more of it.
    assert found.gain > -0.002 * max(1.0, 10_000 / count / 2)
    if accuracy == 0.5:
        assert found.asked < 0.3
    if accuracy == 0.95:
        assert found.asked > 0.9


async def test_it_beats_both_where_a_model_is_right_now_and_then() -> None:
    given = cases(1200)
    found = await worth(given, await lengths(given), 0.6, PRICES["Nova Micro"])
    assert found.gate > max(found.never, found.always) + 0.005
