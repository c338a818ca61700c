"""Runs that are waited for: how each ending of a run is told. No local AWS ends runs in all these ways on demand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from router_core.adapters.aws.step_functions import ExpressStepFunctions
from router_core.errors import DeadlineError, LostError, StoreError

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


class Client:
    """Answers `StartSyncExecution` as it was told to, and remembers what it was asked."""

    def __init__(self, answer: dict[str, Any] | Exception) -> None:
        self._answer, self.asked = answer, [dict[str, Any]()]

    def start_sync_execution(self, **asked: Any) -> dict[str, Any]:
        self.asked.append(asked)
        if isinstance(self._answer, Exception):
            raise self._answer
        return {"startDate": BEGAN, "stopDate": BEGAN + timedelta(seconds=28), **self._answer}


async def run(answer: dict[str, Any] | Exception) -> str:
    machine: Any = Client(answer)
    output = await ExpressStepFunctions(machine, "arn:m").run("req_1", "{}")
    assert machine.asked[-1] == {"stateMachineArn": "arn:m", "name": "req_1", "input": "{}"}
    return output


async def test_the_output_of_a_run_that_succeeded() -> None:
    assert await run({"status": "SUCCEEDED", "output": '{"a":1}'}) == '{"a":1}'


async def test_a_run_that_took_too_long_is_a_deadline_and_says_how_long() -> None:
    with pytest.raises(DeadlineError, match="28000 ms"):
        await run({"status": "TIMED_OUT"})


@pytest.mark.parametrize(
    "answer", [{"status": "FAILED", "cause": "the caller's words"}, {"status": "SUCCEEDED"}]
)
async def test_a_run_without_an_output_is_lost_and_quotes_nobody(answer: dict[str, Any]) -> None:
    with pytest.raises(LostError) as lost:
        await run(answer)
    assert "words" not in str(lost.value)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("StateMachineDoesNotExist", "does not exist"),
        ("StateMachineTypeNotSupported", "waited for"),
        ("ThrottlingException", "throttled"),
        ("AccessDeniedException", "credentials"),
    ],
)
async def test_a_run_that_cannot_be_started_is_a_store_s_trouble(code: str, said: str) -> None:
    with pytest.raises(StoreError, match=said):
        await run(ClientError({"Error": {"Code": code, "Message": "secret"}}, "StartSyncExecution"))
