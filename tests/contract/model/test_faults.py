"""Every fault of an upstream, over a socket: a full answer or a core error, never a silent truncation or a hang."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Literal

import pytest

from router_core.errors import (
    RefusedError,
    TargetError,
    ThrottledError,
    TimeoutTargetError,
    UnavailableError,
)
from router_core.execution import Chunk, ModelAnswer
from router_core.inference import Params
from router_core.ports import ModelCall
from tests.contract.model.subjects import LENGTH, REMOTE, SECRET, Subject, model_call
from tests.contract.model.test_answers import TOOL
from tests.upstream.server import Fault, refusing_url

FULL = " ".join(f"w{number}" for number in range(LENGTH))
WAYS = ("whole", "stream")
SHORT_S = 0.3
"""Patience of tests in which the upstream never goes on."""
Way = Literal["whole", "stream"]


class Outcome:
    """What came of a call: the text delivered, the finish reason, and the error if it failed."""

    def __init__(self) -> None:
        self.text = ""
        self.finish: str | None = None
        self.arguments = ""
        self.estimated: bool | None = None
        self.error: TargetError | None = None

    def take(self, chunk: Chunk) -> None:
        self.text += chunk.text
        self.finish = chunk.finish_reason or self.finish
        self.arguments += "".join(call["function"]["arguments"] for call in chunk.tool_calls)
        if chunk.usage is not None:
            self.estimated = chunk.usage.estimated

    def take_all(self, answer: ModelAnswer) -> None:
        choice = answer.choices[0]
        self.text, self.finish = choice.text or "", choice.finish_reason
        self.arguments = "".join(call["function"]["arguments"] for call in choice.tool_calls)
        self.estimated = answer.usage.estimated


async def outcome(subject: Subject, way: str, call: ModelCall) -> Outcome:
    """Call, and fail the test instead of waiting for ever."""
    result = Outcome()
    try:
        await asyncio.wait_for(_collect(subject, way, call, result), 20)
    except TargetError as error:
        result.error = error
    return result


async def _collect(subject: Subject, way: str, call: ModelCall, result: Outcome) -> None:
    if way == "whole":
        result.take_all(await subject.model.generate(call))
        return
    async for chunk in subject.model.stream(call):
        result.take(chunk)


def upstream_of(subject: Subject, *faults: Fault) -> None:
    assert subject.upstream is not None
    subject.upstream.next(*faults)


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["chunked", "close"])
def framing(request: pytest.FixtureRequest) -> Literal["chunked", "close"]:
    return "close" if request.param == "close" else "chunked"


@pytest.fixture(autouse=True)
async def nothing_is_left_behind(remote: Subject) -> AsyncIterator[None]:
    """Whatever happened, the next call works: no connection is stuck, no byte of an old answer turns up."""
    yield
    after = await outcome(remote, "whole", model_call())
    assert after.text == FULL


# ---- statuses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(REMOTE))
@pytest.mark.parametrize("way", WAYS)
async def test_a_refused_connection_is_unavailable(name: str, way: str) -> None:
    with refusing_url() as url:
        pool, model = REMOTE[name](url)
        result = await outcome(Subject(model=model), way, model_call())
        await pool.aclose()
    assert isinstance(result.error, UnavailableError)
    assert "127.0.0.1" not in str(result.error)


@pytest.mark.parametrize(("given", "expected"), [("7", 7.0), ("0.25", 0.25), (None, None), ("soon", None)])
async def test_throttling_tells_how_long_if_the_target_does(
    remote: Subject, way: str, given: str | None, expected: float | None
) -> None:
    upstream_of(remote, Fault(kind="status", status=429, retry_after=given))
    error = (await outcome(remote, way, model_call())).error
    assert isinstance(error, ThrottledError)
    assert error.retry_after_s == expected


@pytest.mark.parametrize("status", [408, 424, 500, 502, 503, 504, 529])
async def test_a_failing_target_is_unavailable(remote: Subject, way: str, status: int) -> None:
    upstream_of(remote, Fault(kind="status", status=status))
    assert isinstance((await outcome(remote, way, model_call())).error, UnavailableError)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
async def test_a_refusal_is_not_retryable(remote: Subject, way: str, status: int) -> None:
    code = {401: "UnrecognizedClientException", 404: "ResourceNotFoundException"}.get(
        status, "ValidationException"
    )
    upstream_of(remote, Fault(kind="status", status=status, error=code))
    error = (await outcome(remote, way, model_call())).error
    assert isinstance(error, RefusedError)
    assert not error.retryable


@pytest.mark.parametrize("status", [301, 302, 307])
async def test_a_redirect_is_not_followed(remote: Subject, way: str, status: int) -> None:
    upstream_of(remote, Fault(kind="status", status=status, error="Moved"))
    assert isinstance((await outcome(remote, way, model_call())).error, UnavailableError)
    assert remote.upstream is not None
    assert len(remote.upstream.requests) == 1


async def test_an_error_in_a_body_with_status_200_is_an_error(remote: Subject, way: str) -> None:
    upstream_of(remote, Fault(kind="error_body"))
    assert isinstance((await outcome(remote, way, model_call())).error, UnavailableError)


# ---- time ------------------------------------------------------------------------------------------------------------


async def test_slow_headers_are_waited_for(remote: Subject, way: str) -> None:
    upstream_of(remote, Fault(kind="slow_headers", delay_s=0.2))
    assert (await outcome(remote, way, model_call())).text == FULL


@pytest.mark.parametrize("fault", [Fault(kind="half_open"), Fault(kind="slow_headers", delay_s=30.0)])
async def test_headers_that_do_not_come_in_time_are_a_timeout(
    remote: Subject, way: str, fault: Fault
) -> None:
    upstream_of(remote, fault)
    error = (await outcome(remote, way, model_call(timeout_s=SHORT_S))).error
    assert isinstance(error, TimeoutTargetError)


async def test_a_stall_is_a_timeout_and_keeps_what_came_before(
    remote: Subject, way: str, framing: Literal["chunked", "close"]
) -> None:
    upstream_of(remote, Fault(kind="stall_after", tokens=3, framing=framing))
    timeout_s = SHORT_S if way == "whole" else 600.0
    result = await outcome(remote, way, model_call(timeout_s=timeout_s, idle_s=SHORT_S))
    assert isinstance(result.error, TimeoutTargetError)
    assert result.text == ("" if way == "whole" else "w0 w1 w2")


async def test_a_stream_may_last_longer_than_the_time_to_its_first_chunk(remote: Subject) -> None:
    """Gaps are bounded by their own limit, and the consumer's time is not the target's."""
    upstream_of(remote, Fault(token_delay_s=0.1))
    text = ""
    async for chunk in remote.model.stream(model_call(timeout_s=0.5, idle_s=5.0)):
        text += chunk.text
        await asyncio.sleep(0.02)
    assert text == FULL


async def test_a_stall_before_the_first_token_is_bounded_by_the_call(remote: Subject) -> None:
    upstream_of(remote, Fault(kind="stall_after", tokens=0))
    result = await outcome(remote, "stream", model_call(timeout_s=SHORT_S, idle_s=60.0))
    assert isinstance(result.error, TimeoutTargetError)


# ---- cuts and malformed answers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("reset", [False, True], ids=["FIN", "RST"])
@pytest.mark.parametrize("tokens", [0, 3])
async def test_a_cut_is_an_error_and_keeps_what_came_before(
    remote: Subject, way: str, framing: Literal["chunked", "close"], reset: bool, tokens: int
) -> None:
    """Also where a cut looks like the proper end of a body without length."""
    upstream_of(remote, Fault(kind="cut_after", tokens=tokens, framing=framing, reset=reset))
    result = await outcome(remote, way, model_call())
    assert isinstance(result.error, UnavailableError)
    assert result.finish is None
    assert result.text == ("" if way == "whole" else FULL[: max(0, tokens * 3 - 1)])


async def test_malformed_data_is_an_error_and_keeps_what_came_before(remote: Subject, way: str) -> None:
    upstream_of(remote, Fault(kind="malformed", tokens=3))
    result = await outcome(remote, way, model_call())
    assert isinstance(result.error, UnavailableError)
    assert result.text == ("" if way == "whole" else "w0 w1 w2")


async def test_an_oversized_answer_is_an_error(remote: Subject, way: str) -> None:
    upstream_of(remote, Fault(kind="oversized", tokens=3))
    result = await outcome(remote, way, model_call())
    assert isinstance(result.error, UnavailableError)
    assert "too large" in str(result.error)
    assert result.text == ("" if way == "whole" else "w0 w1 w2")


async def test_a_compressed_answer_is_not_believed(remote: Subject, way: str) -> None:
    upstream_of(remote, Fault(kind="gzip_garbage"))
    assert isinstance((await outcome(remote, way, model_call())).error, UnavailableError)


async def test_an_error_inside_a_stream_is_mapped_and_keeps_what_came_before(remote: Subject) -> None:
    """A throttled ConverseStream, an overloaded vLLM: reported in the stream, after the status was sent."""
    upstream_of(remote, Fault(kind="stream_error", tokens=3, status=429))
    result = await outcome(remote, "stream", model_call())
    assert isinstance(result.error, ThrottledError)
    assert result.text == "w0 w1 w2"


# ---- deviations that are no loss -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["no_finish", "no_done", "double_done"])
async def test_a_missing_or_doubled_end_mark_loses_nothing(
    remote: Subject, way: str, framing: Literal["chunked", "close"], kind: str
) -> None:
    upstream_of(remote, Fault(kind=kind, framing=framing))  # type: ignore[arg-type]  # one of the kinds, by the list above
    result = await outcome(remote, way, model_call())
    assert result.error is None
    assert (result.text, result.finish) == (FULL, "stop")


async def test_missing_usage_is_estimated_and_says_so(remote: Subject, way: str) -> None:
    upstream_of(remote, Fault(kind="no_usage"))
    result = await outcome(remote, way, model_call())
    assert (result.text, result.estimated) == (FULL, True)


async def test_a_truncated_tool_call_is_an_error(remote: Subject) -> None:
    upstream_of(remote, Fault(kind="truncated_tool_json"))
    result = await outcome(remote, "stream", model_call(Params(tools=(TOOL,))))
    assert isinstance(result.error, UnavailableError)
    assert result.finish is None


# ---- what errors tell ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", ["status", "error_body", "cut_after", "stall_after", "malformed", "oversized"]
)
async def test_errors_name_no_address_and_no_key(remote: Subject, way: str, kind: str) -> None:
    upstream_of(remote, Fault(kind=kind, status=400))  # type: ignore[arg-type]  # one of the kinds, by the list above
    call = model_call(timeout_s=SHORT_S if way == "whole" else 5.0, idle_s=SHORT_S)
    error = (await outcome(remote, way, call)).error
    assert error is not None
    assert remote.pool is not None
    assert error.__cause__ is None
    for hidden in (SECRET, remote.pool.origin.host, str(remote.pool.origin.port), "count for me"):
        assert hidden not in str(error)
