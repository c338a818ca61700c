"""Secrets of the settings, and what callers send, are seen in nothing that the process says or keeps."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.hostile.site import ADMIN, CANARIES, FILE_SECRET, SECRETS, A, Site
from tests.e2e.hostile.test_access import routes
from tests.e2e.hostile.test_requests import NOT_HTTP
from tests.e2e.hostile.wire import Reply, request, say
from tests.running import running_gateway

CONTENT = "content-canary-8d21"
SENT_KEY = "sent-canary-key-77aa"
LEAKY = ("mec/leaky", "cloud/leaky")


def leaked(text: bytes, *more: str) -> list[str]:
    """Which secrets are in it, whole or as the second half alone."""
    return [
        secret
        for secret in (*CANARIES, *more)
        if secret.encode() in text or secret[len(secret) // 2 :].encode() in text
    ]


def whole(reply: Reply) -> bytes:
    return json.dumps(reply.headers).encode() + reply.body


def kept(site: Site) -> Iterator[tuple[str, bytes]]:
    """All that the process wrote: its output and its records."""
    files = (
        site.gateway.stdout,
        site.gateway.stderr,
        *(f for f in (site.folder / "var").rglob("*") if f.is_file()),
    )
    return ((file.name, file.read_bytes()) for file in files)


def test_a_target_that_repeats_its_key_is_not_quoted(site: Site) -> None:
    """The target got the key, so the test would see it; whole, streamed, as a job and under /v1 its words stop here."""
    for target in LEAKY:
        own = {"input": "hello", "preferences": {"target": target, "fallback": False}}
        chat = {"model": target, "messages": [{"role": "user", "content": "hello"}]}
        replies = [site.post("/inference", own), site.post("/inference", {**own, "stream": True}),
                   site.post("/v1/chat/completions", chat), site.post("/v1/chat/completions", {**chat, "stream": True}),
                   site.post("/v1/completions", {"model": target, "prompt": "hello"}),
                   site.post("/v1/responses", {"model": target, "input": "hello"})]  # fmt: skip
        assert {reply.status for reply in replies} == {502}
        for reply in replies:
            assert leaked(whole(reply)) == []
            assert b"invalid key" not in reply.body
            assert reply.headers.get("x-tierwise-target") == target
    failing = {"input": "hello", "preferences": {"target": LEAKY[0], "fallback": False}, "mode": "async"}
    job = site.post("/inference", failing).headers["location"]
    for _ in range(20):
        assert leaked(whole(site.get(job))) == []


def test_the_targets_did_get_their_keys(site: Site) -> None:
    """Without this the other tests would prove nothing."""
    assert site.post("/inference", {"input": "hello", "preferences": {"target": "mec/good"}}).status == 200
    assert SECRETS["SITE_GOOD_KEY"] in json.dumps(dict(site.good.requests[-1].headers))
    assert FILE_SECRET in (site.folder / "leaky-key").read_text()


def test_no_documented_path_shows_a_secret_to_any_role(site: Site) -> None:
    for method, path in routes(site):
        for key in (None, A, ADMIN, SENT_KEY):
            for body in (b"", b"{}", b'{"input": "%b"}' % CONTENT.encode(), b"\xff"):
                reply = say(site.port, request(path, body if method == "POST" else b"", key, method=method))
                assert leaked(whole(reply), SENT_KEY) == [], (method, path)
                assert reply.status not in range(400, 500) or CONTENT.encode() not in whole(reply)


def test_the_description_and_its_page_show_no_secret(site: Site) -> None:
    for path in ("/openapi.json", "/docs", "/docs/oauth2-redirect"):
        for key in (None, ADMIN):
            assert leaked(whole(site.get(path, key))) == [], path


def test_what_a_caller_sends_is_not_written_down(site: Site) -> None:
    """Prompts, tools, comments, errors, keys, user-made names: served, refused and failed alike."""
    tool = {"type": "function", "function": {"name": "f", "description": CONTENT}}
    bodies = [
        {"input": CONTENT}, {"input": f"{CONTENT} {SENT_KEY}", "stream": True}, {"input": CONTENT, "nope": CONTENT}, {CONTENT: 1},
        {"input": CONTENT, "metadata": {"note": CONTENT}}, {"input": CONTENT, "params": {"tools": [tool]}}, {"input": CONTENT, "task": CONTENT},
        {"input": CONTENT, "preferences": {"target": LEAKY[0], "fallback": False}}, {"input": CONTENT, "mode": "async"},
        {"input": CONTENT, "privacy": {"level": "restricted"}}, {"input": f"{CONTENT} 4111 1111 1111 1111, anna@canary.example"},
    ]  # fmt: skip
    for body in bodies:
        for path in ("/inference", "/explain"):
            site.post(
                path, body, A, f"x-api-key: {SENT_KEY}\r\nidempotency-key: {SENT_KEY}-{len(str(body))}\r\n"
            )
        site.post("/inference", body, SENT_KEY)
    mine = site.post("/inference", {"input": "hello"}).json["request_id"]
    assert site.post(f"/inference/{mine}/feedback", {"score": 0, "comment": CONTENT}).status == 204
    for sent in (*NOT_HTTP.values(), request("/inference", CONTENT.encode(), SENT_KEY)):
        say(site.port, sent.replace(b"host: h", b"host: h\r\nauthorization: Bearer " + SENT_KEY.encode()))
    unlogged = (CONTENT, SENT_KEY, "4111 1111 1111 1111", "anna@canary.example")
    for path in ("/metrics", "/admin/decisions?limit=500", "/admin/targets"):
        assert leaked(site.get(path, ADMIN).body, *unlogged) == [], path
    for name, text in kept(site):
        assert leaked(text, *unlogged) == [], name


def test_the_records_are_there_and_hold_no_secret(site: Site) -> None:
    found = dict(kept(site))
    assert sum(map(len, found.values())) > 10_000, "there is nothing to search"
    assert {name: leaked(text) for name, text in found.items() if leaked(text)} == {}


@pytest.mark.server
@pytest.mark.parametrize(
    "wrong",
    ['api_key = "target-canary-literal-1"', 'api_key = "env:NOT_SET"\nnope = "target-canary-literal-1"', 'api_key = 7',
     'base_url = "http://user:target-canary-literal-1@h/v1"', 'api_key = "file:/no/target-canary-literal-1x"\nmodel = 3'],
)  # fmt: skip
def test_settings_that_are_refused_do_not_show_the_secret(tmp_path: Path, wrong: str) -> None:
    """The likeliest mistake is to write the secret where the reference belongs."""
    target = '[[targets]]\nname = "mec/x"\nmodel = "m"\nbase_url = "http://127.0.0.1:1/v1"\n'
    if "base_url" in wrong:
        target = '[[targets]]\nname = "mec/x"\nmodel = "m"\n'
    (tmp_path / "tierwise.toml").write_text(f"{target}{wrong}\n")
    with pytest.raises(AssertionError), running_gateway(folder=tmp_path):
        """It does not become ready."""
    said = (tmp_path / "stdout.txt").read_text() + (tmp_path / "stderr.txt").read_text()
    assert "ready" not in said
    assert said.strip()
    assert "canary-literal-1" not in said.replace("canary-literal-1x", "")
    assert "Traceback" not in said
