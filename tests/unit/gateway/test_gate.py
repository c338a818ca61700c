"""Who may pass, decided on the path alone; and what an instance that stops still answers."""

from __future__ import annotations

import asyncio

import pytest

from gateway.http.answers import header_value
from gateway.http.refusals import UnauthorizedError
from router_core.errors import RateLimitedError
from tests.unit.gateway.asgi import ADMIN, KEYS, OTHER, USER, application, call
from tests.unit.gateway.scripted import OpenLimiter, ScriptedRouter

CHAT = {"model": "auto", "messages": [{"role": "user", "content": "x"}]}
PROTECTED = [
    ("POST", "/inference"), ("POST", "/explain"), ("GET", "/inference/req_1"), ("POST", "/inference/req_1/feedback"),
    ("POST", "/inference/req_1/outcome"), ("POST", "/v1/chat/completions"), ("POST", "/v1/completions"),
    ("POST", "/v1/responses"), ("POST", "/v1/embeddings"), ("GET", "/v1/models"), ("GET", "/v1/models/auto"),
    ("GET", "/metrics"), ("GET", "/admin/targets"), ("POST", "/admin/targets/mec/edge-a/drain"),
    ("GET", "/admin/decisions"), ("GET", "/admin/policy"), ("GET", "/nothing/here"), ("POST", "/v1/files"),
]  # fmt: skip
OPEN = ["/health/liveness", "/health/liveliness", "/health/readiness", "/openapi.json", "/docs"]
ADMINS = [(method, path) for method, path in PROTECTED if path.startswith("/admin") or path == "/metrics"]


@pytest.mark.parametrize(("method", "path"), PROTECTED)
@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Bearer nobody", f"Basic {USER}", USER, "Bearer " + "k" * 9999]
)
async def test_without_a_known_key_every_protected_path_says_401(
    method: str, path: str, header: str | None
) -> None:
    headers = {} if header is None else {"authorization": header}
    reply = await call(application(), method, path, CHAT, key=None, headers=headers)
    assert reply.status == 401
    assert reply.headers["www-authenticate"].startswith("Bearer")
    assert reply.headers["x-tierwise-request-id"].startswith("req_")


@pytest.mark.parametrize("path", OPEN)
async def test_health_and_the_documents_need_no_key(path: str) -> None:
    reply = await call(application(), "GET", path, key=None)
    assert reply.status == 200
    assert reply.headers["x-tierwise-request-id"].startswith("req_")


@pytest.mark.parametrize(("method", "path"), ADMINS)
async def test_a_user_key_is_forbidden_where_the_admin_role_is_needed(method: str, path: str) -> None:
    assert (await call(application(), method, path, {"draining": True}, key=USER)).status == 403
    assert (await call(application(), method, path, {"draining": True}, key=ADMIN)).status in (200, 404)


@pytest.mark.parametrize(
    "host", ["a/?x=", "h/#", "h/?", "evil.example/health/liveness?", "@evil", "", "a\tb", "h:99999"]
)
@pytest.mark.parametrize(("method", "path"), PROTECTED)
async def test_a_hostile_host_header_changes_no_permission(method: str, path: str, host: str) -> None:
    app = application()
    plain = await call(app, method, path, CHAT, key=None)
    odd = await call(app, method, path, CHAT, key=None, headers={"host": host})
    assert (odd.status, odd.headers["content-type"]) == (plain.status, plain.headers["content-type"]) == (
        401, plain.headers["content-type"],
    )  # fmt: skip
    if path.startswith("/admin"):
        assert (await call(app, method, path, CHAT, key=USER, headers={"host": host})).status == 403


@pytest.mark.parametrize(
    "path", ["/admin/", "/admin//targets", "//admin/targets", "/Admin/targets", "/admin/targets/", "/adminx"]
)
async def test_variants_of_an_admin_path_give_a_user_nothing(path: str) -> None:
    assert (await call(application(), "GET", path, key=USER)).status in (403, 404)


async def test_metrics_are_open_on_this_machine_only() -> None:
    assert (await call(application(), "GET", "/metrics", key=None)).status == 401
    reply = await call(application(), "GET", "/metrics", key=ADMIN)
    assert (reply.status, reply.body) == (200, b"tierwise_up 1\n")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [("GET", "/inference", "POST"), ("PUT", "/v1/chat/completions", "POST"), ("POST", "/v1/models", "GET"),
     ("DELETE", "/v1/models/auto", "GET"), ("DELETE", "/inference/req_1", "GET"), ("POST", "/admin/policy", "GET")],
)  # fmt: skip
async def test_a_wrong_method_is_405_and_names_the_right_one(method: str, path: str, allow: str) -> None:
    reply = await call(application(), method, path, key=ADMIN)
    assert (reply.status, reply.headers["allow"]) == (405, allow)


def test_two_authorization_headers_are_no_authorization() -> None:
    with pytest.raises(UnauthorizedError):
        KEYS.caller(b"\x00")


@pytest.mark.parametrize("secret", [USER[:-1], USER + "x", USER.upper(), f"{USER} {USER}"])
def test_only_the_whole_key_counts(secret: str) -> None:
    with pytest.raises(UnauthorizedError):
        KEYS.caller(f"Bearer {secret}".encode())


def test_the_scheme_may_be_written_in_any_case() -> None:
    assert KEYS.caller(f"bEARER {USER}".encode()).tenant == "acme"
    assert KEYS.caller(f"Bearer {OTHER}".encode()).tenant == "rival"


async def test_a_key_over_its_limit_gets_429_and_when_to_return() -> None:
    router = ScriptedRouter()
    app = application(router, OpenLimiter(RateLimitedError("600 requests per minute", retry_after_s=1.2)))
    for path, body in (("/inference", {"input": "x"}), ("/v1/chat/completions", CHAT)):
        reply = await call(app, "POST", path, body)
        assert (reply.status, reply.headers["retry-after"]) == (429, "2")
    assert router.asked == []


@pytest.mark.parametrize("fails", [None, RuntimeError("boom")])
async def test_reserved_tokens_are_settled_whether_it_succeeds_or_not(fails: Exception | None) -> None:
    limiter = OpenLimiter()
    await call(application(ScriptedRouter(fails=fails), limiter), "POST", "/inference", {"input": "x" * 40})
    assert limiter.admitted == [("phone-app", 266)]
    assert limiter.settled == [("phone-app", 266, 14 if fails is None else 0)]


async def test_while_draining_new_work_is_refused_and_running_work_ends() -> None:
    app = application(ScriptedRouter(wait_s=0.05))
    running = asyncio.create_task(call(app, "POST", "/inference", {"input": "x"}))
    await asyncio.sleep(0.01)
    app.begin_drain()
    refused = await call(app, "POST", "/v1/chat/completions", CHAT)
    assert (refused.status, refused.headers["connection"]) == (503, "close")
    assert "retry-after" in refused.headers
    ready = await call(app, "GET", "/health/readiness", key=None)
    assert (ready.status, ready.json["status"]) == (503, "draining")
    assert (await call(app, "GET", "/health/liveness", key=None)).status == 200
    assert await app.drained(5.0)
    assert (await running).status == 200


async def test_draining_gives_up_when_work_does_not_end_in_time() -> None:
    app = application(ScriptedRouter(wait_s=30.0))
    running = asyncio.create_task(call(app, "POST", "/inference", {"input": "x"}))
    await asyncio.sleep(0.01)
    assert not await app.drained(0.05)
    running.cancel()


async def test_an_unforeseen_error_is_500_without_its_words(caplog: pytest.LogCaptureFixture) -> None:
    for path, body in (("/inference", {"input": "x"}), ("/v1/chat/completions", CHAT)):
        reply = await call(
            application(ScriptedRouter(fails=RuntimeError("canary-secret"))), "POST", path, body
        )
        assert reply.status == 500
        assert b"canary" not in reply.body
    assert "RuntimeError" in caplog.text
    assert "canary" not in caplog.text


@pytest.mark.parametrize("name", ["a\r\nset-cookie: x", "a\x00b", "mec/ü", "\u2028"])
def test_a_name_cannot_start_another_header(name: str) -> None:
    value = header_value(name)
    assert len(value) == len(name)
    assert all(0x20 <= byte <= 0x7E for byte in value)
