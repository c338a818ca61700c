"""Every error of ours has a status, in both dialects, and says no more than it should."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateway.http import refusals
from gateway.http.problems import kind_of, problem_of
from router_core import errors
from router_core.execution import Attempt
from tests.unit.gateway.asgi import application, call
from tests.unit.gateway.scripted import ScriptedRouter

TRIED = (Attempt(target="mec/edge-a", outcome="unavailable", latency_ms=3.25, error="connection refused"),)
CHAT = {"model": "auto", "messages": [{"role": "user", "content": "x"}]}

FAILURES: list[tuple[errors.TierwiseError, int, int]] = [
    (errors.NoPermittedTargetError("none", rejected={"cloud/nova-pro": "privacy"}), 422, 400),
    (errors.NoCapacityError("busy", rejected={}, retry_after_s=2.5), 503, 503),
    (errors.AllTargetsFailedError(TRIED, errors.UnavailableError("refused")), 502, 502),
    (errors.AllTargetsFailedError(TRIED, errors.ThrottledError("slow down", retry_after_s=7)), 503, 503),
    (errors.DeadlineError(TRIED, 300.0), 504, 504),
    (errors.RateLimitedError("limit", retry_after_s=0.1), 429, 429),
    (errors.ForbiddenError("guard"), 403, 403),
    (errors.NotFoundError("gone"), 404, 404),
    (errors.TooLargeError("large"), 413, 413),
    (errors.RequestError("wrong", field="$.x"), 400, 400),
]


@pytest.mark.parametrize(
    ("error", "ours", "theirs"), FAILURES, ids=[type(f[0]).__name__ + str(f[1]) for f in FAILURES]
)
@pytest.mark.parametrize("stream", [False, True])
async def test_what_the_router_raises_becomes_its_status_in_both_dialects(
    error: errors.TierwiseError, ours: int, theirs: int, stream: bool
) -> None:
    app = application(ScriptedRouter(fails=error))
    own = await call(app, "POST", "/inference", {"input": "x", "stream": stream})
    openai = await call(app, "POST", "/v1/chat/completions", {**CHAT, "stream": stream})
    assert (own.status, openai.status) == (ours, theirs)
    assert own.headers["content-type"] == "application/problem+json"
    assert own.headers["x-tierwise-policy"] == "default@1"
    assert openai.json["error"]["message"] == own.json["detail"]
    if ours in (429, 503):
        assert int(own.headers["retry-after"]) >= 1
        assert int(openai.headers["retry-after"]) >= 1


async def test_no_permitted_target_lists_what_was_rejected() -> None:
    app = application(ScriptedRouter(fails=FAILURES[0][0]))
    assert (await call(app, "POST", "/inference", {"input": "x"})).json["rejected"] == {
        "cloud/nova-pro": "privacy"
    }
    openai = (await call(app, "POST", "/v1/chat/completions", CHAT)).json["error"]
    assert (openai["code"], openai["rejected"]) == ("no_permitted_target", {"cloud/nova-pro": "privacy"})


async def test_failed_attempts_are_listed_and_the_last_target_is_in_the_headers() -> None:
    reply = await call(
        application(ScriptedRouter(fails=FAILURES[2][0])), "POST", "/inference", {"input": "x"}
    )
    assert reply.json["attempts"] == [
        {"target": "mec/edge-a", "outcome": "unavailable", "latency_ms": 3.25, "error": "connection refused"}
    ]
    assert (reply.headers["x-tierwise-target"], reply.headers["x-tierwise-tier"]) == ("mec/edge-a", "mec")


async def test_throttling_tells_the_wait_the_target_asked_for() -> None:
    reply = await call(
        application(ScriptedRouter(fails=FAILURES[3][0])), "POST", "/inference", {"input": "x"}
    )
    assert reply.headers["retry-after"] == "7"


def every_error(cls: type[Exception]) -> Iterator[type[Exception]]:
    yield cls
    for child in cls.__subclasses__():
        yield from every_error(child)


def test_every_error_class_of_ours_has_a_status_of_its_own_choosing() -> None:
    found = {cls for cls in every_error(errors.TierwiseError) if not cls.__module__.startswith("gateway.cli")}
    found.discard(errors.TierwiseError)
    assert refusals.DrainingError in found
    found.discard(errors.AllTargetsFailedError)  # judged by its last error, see above
    unmapped = [cls.__name__ for cls in found if kind_of(cls.__new__(cls)).code == "internal_error"]
    assert unmapped == []


async def test_openai_is_told_the_field_in_its_own_way() -> None:
    """`param` is `n` under /v1, where our own paths say `$.params.max_tokens`."""
    chat = {"model": "auto", "messages": [{"role": "user", "content": "x"}], "n": 99}
    assert (await call(application(ScriptedRouter()), "POST", "/v1/chat/completions", chat)).json["error"][
        "param"
    ] == "n"
    own = {"input": "x", "params": {"max_tokens": -1}}
    assert (await call(application(ScriptedRouter()), "POST", "/inference", own)).json[
        "field"
    ] == "$.params.max_tokens"


def test_a_very_long_sentence_is_cut() -> None:
    assert len(problem_of(errors.RequestError("x" * 10_000)).detail) < 1_000


def test_an_endless_wait_is_not_repeated_to_the_client() -> None:
    error = errors.NoCapacityError("busy", rejected={}, retry_after_s=float("inf"))
    assert problem_of(error).retry_after_s == 1
