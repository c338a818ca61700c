"""Under every fault a client gets the whole answer or a clear error: nothing doubled, nothing missing, no silent end."""

from __future__ import annotations

import json

import pytest

from tests.e2e.faults.asking import Told
from tests.e2e.faults.cases import CASES, LENGTH, REFUSED, STRUCK_AFTER, Case
from tests.e2e.faults.conftest import Played
from tests.e2e.faults.house import HEALTHY, POLICY

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("faults")]
FULL = " ".join(f"w{number}" for number in range(LENGTH))
ARGUMENTS = {"value": "w0 w1 w2"}


def whole(case: Case) -> bool:
    """Whether the client can and must get the whole answer."""
    return case.ending == "ok" or (case.helped and case.ending != "broken_call")


def never_asked(case: Case) -> bool:
    """A node whose probe finds nobody is passed over; other kinds have no probe and are asked."""
    return case.row is REFUSED and case.wire == "openai"


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_the_client_gets_the_whole_answer_or_a_clear_error(case: Case, played: Played) -> None:
    told = played.told[case.id]
    assert told.grammar == []
    if whole(case):
        _is_whole(case, told)
    else:
        _is_a_clear_error(case, told)


def _is_whole(case: Case, told: Told) -> None:
    assert (told.status, told.ended, told.error) == (200, True, None)
    if case.row.tools:
        assert (json.loads(told.arguments), told.finish, told.text) == (ARGUMENTS, "tool_calls", "")
    else:
        assert (told.text, told.finish) == (FULL, "stop")


def _is_a_clear_error(case: Case, told: Told) -> None:
    begun = case.ending in ("midway", "broken_call")
    expected = 200 if begun else 503 if never_asked(case) else case.row.status
    assert (told.status, told.ended, told.finish) == (expected, False, None)
    # Without help a target whose stream broke is asked once more, and goes on from what it wrote.
    attempts = POLICY["retry"]["attempts_per_target"]
    written = STRUCK_AFTER * attempts if case.ending == "midway" else 0
    assert told.text == " ".join(f"w{number}" for number in range(written))
    assert (told.retry_after is not None) == (told.status == 503)
    assert told.error is not None
    fields = (
        ("title", "detail", "request_id")
        if case.form.startswith("inference")
        else ("message", "type", "code")
    )
    assert all(told.error[field] for field in fields)
    if case.form.startswith("inference"):
        assert told.error["status"] == (503 if never_asked(case) else case.row.status)
    if not never_asked(case):
        assert {attempt["target"] for attempt in told.attempts or ()} == {case.target}


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_who_answered_is_told(case: Case, played: Played) -> None:
    """A fallback before the first word is invisible in the text, a hand-off in its middle is said."""
    told = played.told[case.id]
    handed_off = case.helped and case.ending == "midway"
    if whole(case):
        assert told.handoffs == ([(case.target, HEALTHY)] if handed_off else [])
        assert told.target == (case.target if case.ending == "ok" else HEALTHY)
    if whole(case) and told.attempts is not None:
        tried = [] if case.ending == "ok" or never_asked(case) else [case.target]
        last = case.target if case.ending == "ok" else HEALTHY
        assert [attempt["target"] for attempt in told.attempts] == [*tried, last]
        assert [attempt["outcome"] == "ok" for attempt in told.attempts] == [False] * len(tried) + [True]
