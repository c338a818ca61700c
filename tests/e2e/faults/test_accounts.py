"""What a faulty request is said to have used and cost: once, the same everywhere, and never for free."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.e2e.faults.asking import PROMPT_WORDS, Told
from tests.e2e.faults.cases import CASES, LENGTH, ROWS, STRUCK_AFTER, Case, Row
from tests.e2e.faults.conftest import Played
from tests.e2e.faults.house import HEALTHY, PRICE_IN, PRICE_OUT
from tests.e2e.faults.test_matrix import never_asked, whole

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("faults")]
MILLION = 1e6
ROUGH = 0.35
"""How far an estimate of tokens may be from the count."""


def cases_of(row: Row) -> list[Case]:
    return [case for case in CASES if case.row is row]


def cost(prompt: float, completion: float) -> float:
    return (prompt * PRICE_IN + completion * PRICE_OUT) / MILLION


by_row = pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])


@by_row
def test_usage_counts_the_prompt_once_and_every_word_that_came(row: Row, played: Played) -> None:
    for case in filter(whole, cases_of(row)):
        told = played.told[case.id]
        usage = told.usage
        assert usage is not None
        assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
        guessed = row.name == "no-usage" or told.handoffs
        written = len(told.words)
        if not row.tools:
            assert usage["completion_tokens"] == pytest.approx(written, abs=ROUGH * written if guessed else 0)
        assert usage["prompt_tokens"] == pytest.approx(
            PROMPT_WORDS, abs=ROUGH * PROMPT_WORDS if guessed else 0
        )


@by_row
def test_cost_is_that_of_all_parts(row: Row, played: Played) -> None:
    """One part costs its usage; a handed-off answer costs what both targets took, prompt included."""
    for case in filter(whole, cases_of(row)):
        told = played.told[case.id]
        assert told.usage is not None
        if not told.handoffs:
            assert told.cost_usd == pytest.approx(
                cost(told.usage["prompt_tokens"], told.usage["completion_tokens"])
            )
            continue
        first = cost(PROMPT_WORDS, STRUCK_AFTER)
        second = cost(PROMPT_WORDS + STRUCK_AFTER, LENGTH - STRUCK_AFTER)
        assert told.cost_usd == pytest.approx(first + second, rel=ROUGH / 2)


@by_row
def test_the_records_say_what_the_client_saw(row: Row, played: Played) -> None:
    for case in cases_of(row):
        told = played.told[case.id]
        record: Any = played.outcomes.get(told.request_id)
        if not whole(case) and never_asked(case):
            assert record is None
            assert played.decisions[told.request_id]["outcome"] == "no_capacity"
            continue
        assert record["status"] == ("completed" if whole(case) else "failed")
        _agree(told, record)
        assert played.decisions[told.request_id]["chosen"] == (HEALTHY if never_asked(case) else case.target)


def _agree(told: Told, record: Any) -> None:
    if told.attempts is not None:
        assert record["attempts"] == told.attempts
    if told.ended:
        assert told.usage is not None
        assert record["usage"] == {name: told.usage[name] for name in ("prompt_tokens", "completion_tokens")}
        assert record["cost_usd"] == pytest.approx(told.cost_usd, abs=1e-8)
        handed = record["handoff"]
        assert told.handoffs == ([] if handed is None else [(handed["from"], handed["to"])])
    else:
        # What a broken stream wrote was paid for, although no whole answer came of it.
        counted = record["usage"]["completion_tokens"]
        assert bool(counted) == (record["cost_usd"] > 0) == bool(told.text or told.arguments)
        if told.text:
            assert counted == pytest.approx(len(told.words), rel=2 * ROUGH)


def test_metrics_move_by_what_clients_saw(played: Played) -> None:
    """Requests by ending, fallbacks and hand-offs are exactly those of the matrix."""
    helped = [
        case
        for case in CASES
        if case.helped and case.ending in ("before", "midway") and not never_asked(case)
    ]
    fallbacks = Counter((case.target, HEALTHY) for case in helped)
    assert _family(played, "tierwise_fallbacks_total") == fallbacks
    handoffs = sum(len(told.handoffs) for told in played.told.values() if told.ended)
    assert played.metrics["tierwise_handoffs_total",] == handoffs > 0
    ended = Counter(_ending(case) for case in CASES)
    counted: Counter[str] = Counter()
    for (status, *_), number in _family(played, "tierwise_requests_total").items():
        counted[status] += int(number)
    assert counted == ended


def test_every_token_and_every_cent_of_the_records_is_in_the_metrics(played: Played) -> None:
    outcomes: list[Any] = list(played.outcomes.values())
    costs = _family(played, "tierwise_cost_usd_total")
    assert sum(costs.values()) == pytest.approx(sum(record["cost_usd"] for record in outcomes))
    tokens = _family(played, "tierwise_tokens_total")
    written = sum(number for (kind, _), number in tokens.items() if kind == "completion")
    assert written == sum(record["usage"]["completion_tokens"] for record in outcomes)
    assert played.metrics["tierwise_events_dropped_total",] == 0


def test_error_rates_rise_where_targets_fail_and_only_there(played: Played) -> None:
    rates = _family(played, "tierwise_target_error_rate")
    assert rates[HEALTHY, "mec"] == 0
    assert all(rates[f"mec/{status}", "mec"] > 0 for status in (500, 502, 503, 529))


def _family(played: Played, name: str) -> dict[tuple[str, ...], float]:
    return {
        labels: value
        for (sample, *rest), value in played.metrics.items()
        if sample == name
        for labels in [tuple(rest)]
    }


def _ending(case: Case) -> str:
    if whole(case):
        return "completed"
    return "no_capacity" if never_asked(case) else "failed"
