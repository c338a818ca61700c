"""Stages and tries as plain rules: where a job may go, and what follows from an error."""

from __future__ import annotations

import pytest

from router_core.errors import (
    NoCapacityError,
    NoPermittedTargetError,
    RateLimitedError,
    RequestError,
    StoreError,
)
from router_core.jobs.stages import QUEUES, SERVES, STAGES, TERMINAL, left_by, message_key
from router_core.jobs.tries import Again, Answered, Poison, Tries, lost

TRIES = Tries(most=4, first_s=1.0, longest_s=5.0, patience_s=100.0)


def test_a_worker_brings_a_job_only_where_its_queue_leads() -> None:
    assert left_by("inference", "JUDGE") == left_by("inference", "COMPLETED") == {"INFERENCE"}
    assert left_by("inference", "FAILED") == {"CREATED", "GATEWAY", "INFERENCE"}
    assert left_by("judge", "COMPLETED") == {"JUDGE"}
    assert left_by("judge", "FAILED") == left_by("judge", "INFERENCE") == set()
    assert left_by("webhook", "COMPLETED") == left_by("webhook", "FAILED") == TERMINAL


def test_every_stage_that_is_no_end_has_a_queue_that_goes_on_with_it() -> None:
    served = frozenset().union(*(SERVES[queue] for queue in QUEUES if queue != "webhook"))
    assert served == set(STAGES) - TERMINAL
    assert len({message_key("req_1", queue) for queue in QUEUES}) == len(QUEUES)


@pytest.mark.parametrize(
    "error", [NoCapacityError("busy", rejected={}), RateLimitedError("slow", retry_after_s=3.0)]
)
def test_what_has_to_wait_for_its_turn_waits_without_losing_a_try(error: Exception) -> None:
    verdict = TRIES.verdict(error, 99, age_s=1.0)
    assert isinstance(verdict, Again) and not verdict.counted and 1.0 <= verdict.delay_s <= 5.0
    assert isinstance(TRIES.verdict(error, 1, age_s=101.0), Answered), "not for ever"


@pytest.mark.parametrize("error", [RequestError("no"), NoPermittedTargetError("none", rejected={})])
def test_an_error_that_a_caller_would_have_been_told_is_the_answer(error: Exception) -> None:
    assert TRIES.verdict(error, 1, age_s=1.0) == Answered(reason=type(error).__name__)


@pytest.mark.parametrize("error", [ValueError("canary"), StoreError("away"), MemoryError()])
def test_anything_else_is_tried_again_and_is_poison_in_the_end(error: Exception) -> None:
    verdicts = [TRIES.verdict(error, tries, age_s=1.0) for tries in range(1, 5)]
    waits = [verdict.delay_s for verdict in verdicts if isinstance(verdict, Again)]
    assert waits == [1.0, 2.0, 4.0]
    assert verdicts[3] == Poison(reason=type(error).__name__)
    assert "canary" not in str(verdicts)


def test_a_message_whose_workers_died_says_so() -> None:
    assert not TRIES.exhausted(4) and TRIES.exhausted(5)
    assert lost(None, 4) == "given up after 4 tries: the worker died"
    assert len(lost("x" * 500, 4)) == 200
