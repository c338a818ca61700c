"""Every hostile body gets the contract's refusal, promptly, at every door."""

from __future__ import annotations

import json

import pytest
from msgspec import inspect

from tests.e2e.hostile.bodies import Hostile, harmless_bodies, hostile_bodies
from tests.e2e.hostile.site import ADMIN, A, Site
from tests.e2e.hostile.wire import MIB, Reply, flood, request, say
from tests.e2e.hostile.wrong_types import DECLARED, nulls, unbounded, wrong_bodies

PROMPT_S = 2.0


def complaint(name: str, path: str, reply: Reply, statuses: tuple[int, ...]) -> str | None:
    """What is wrong with the answer; None when it is as it should be."""
    if reply.status not in statuses:
        return f"{path} {name}: {reply.status}, not {statuses}: {reply.body[:200]!r}"
    if reply.took_s > PROMPT_S:
        return f"{path} {name}: {reply.took_s:.1f} s"
    if reply.status < 400:
        return None
    body = reply.json
    named = body["error"]["request_id"] if path.startswith("/v1/") else body["request_id"]
    if named != reply.headers["x-tierwise-request-id"]:
        return f"{path} {name}: the answer doesn't carry its id"
    return (
        None if path.startswith("/v1/") or body["status"] == reply.status else f"{path} {name}: two statuses"
    )


def answered(site: Site, hostile: Hostile) -> str | None:
    return complaint(hostile.name, hostile.path, site.post(hostile.path, hostile.body), hostile.statuses)


def test_hostile_bodies_are_refused_as_the_contract_says(site: Site) -> None:
    """Depth, size, encoding, numbers, crowds: 400 or 413 in the dialect of the path, and never 5xx."""
    found = [said for hostile in hostile_bodies() if (said := answered(site, hostile))]
    assert found == []


def test_odd_but_valid_bodies_are_served(site: Site) -> None:
    found = [said for hostile in harmless_bodies() if (said := answered(site, hostile))]
    assert found == []


@pytest.mark.parametrize("path", DECLARED)
def test_a_wrong_value_in_any_declared_field_is_a_400_that_names_it(site: Site, path: str) -> None:
    """413 is for counts the contract limits. All but bodies of the wrong kind say where they are wrong."""
    found, tried = [], 0
    for where, body in wrong_bodies(path):
        tried += 1
        reply = site.post(path, body)
        if (said := complaint(where, path, reply, (400, 413))) is not None:
            found.append(said)
        elif not _named(path, reply):
            found.append(f"{path} {where}: no field in {reply.body!r}")
    assert found == []
    assert tried >= 15


def _named(path: str, reply: Reply) -> bool:
    body = reply.json
    return bool(body["error"]["param"] if path.startswith("/v1/") else body.get("field"))


@pytest.mark.parametrize("path", DECLARED)
def test_null_says_the_same_as_nothing(site: Site, path: str) -> None:
    """Clients that write every field, the unset ones as null, are not at fault."""
    for name, body in nulls(path):
        assert site.post(path, body).status in (200, 404), (path, name)


@pytest.mark.parametrize("path", DECLARED)
def test_every_number_has_bounds(path: str) -> None:
    """A number without a limit is a loop, a buffer or a bill without one."""
    assert list(unbounded(inspect.type_info(DECLARED[path]))) == []


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("path", ["/inference", "/v1/chat/completions", "/inference/req_0/feedback"])
def test_a_body_of_100_megabytes_is_refused_early(site: Site, path: str, chunked: bool) -> None:
    reply = say(site.port, flood(path, A, 100 * MIB, chunked=chunked))
    assert (reply.status, reply.headers["connection"]) == (413, "close")
    assert reply.took_s < PROMPT_S


KINDS = (
    "text/plain", "application/xml", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded",
    "application/jsonp", "", "*/*", "application/json, text/plain", "a" * 4096,
)  # fmt: skip


@pytest.mark.parametrize("path", ["/inference", "/v1/chat/completions", "/inference/req_0/feedback"])
def test_a_wrong_content_type_is_refused(site: Site, path: str) -> None:
    for kind in (*KINDS, "application/json; charset=utf-16"):
        reply = say(site.port, _of_kind(path, b'{"model": "auto", "input": "x", "score": 1}', A, kind))
        assert complaint(kind, path, reply, (415,)) is None


def test_a_wrong_content_type_changes_nothing_on_an_admin_path(site: Site) -> None:
    """FastAPI's own path refuses it as a body it cannot read."""
    for kind in KINDS:
        reply = say(site.port, _of_kind("/admin/targets/mec/good/drain", b'{"draining": true}', ADMIN, kind))
        assert reply.status in (400, 415), kind
    targets = site.get("/admin/targets", ADMIN).json["targets"]
    assert not any(target["draining"] for target in targets)


def _of_kind(path: str, body: bytes, key: str, kind: str) -> bytes:
    return request(path, body, key).replace(
        b"content-type: application/json", f"content-type: {kind}".encode()
    )


def test_two_content_types_are_not_believed(site: Site) -> None:
    sent = request("/inference", b'{"input": "x"}', A, headers="content-type: application/json\r\n")
    assert say(site.port, sent).status == 415


def test_templates_in_tools_and_schemas_are_data(site: Site) -> None:
    """What a tool's description says is passed on as it is, and nothing here runs it."""
    evil = "{{ ''.__class__.__mro__[1].__subclasses__() }}{% for i in range(10**9) %}x{% endfor %}"
    tool = {
        "type": "function",
        "function": {"name": "f", "description": evil, "parameters": {"pattern": "(a+)+$"}},
    }
    body = {"model": "mec/good", "messages": [{"role": "user", "content": "x"}], "tools": [tool]}
    reply = site.post("/v1/chat/completions", body)
    assert reply.status == 200
    passed_on = json.loads(site.good.requests[-1].body)
    assert passed_on["tools"][0]["function"]["description"] == evil


def test_hostile_bodies_are_refused_on_an_admin_path(site: Site) -> None:
    """An admin key opens the path, not the process behind it."""
    path = "/admin/targets/mec/good/drain"
    for body in (b"[" * 100, b"[" * 100_000, b'{"a":' * 1_000_000, b"\xff", b"{}", b'{"draining": 1%b}' % (b"0" * 5000),
                 b'{"draining\\ud800": true}', b'{"draining": NaN}', b'{"draining": "true"}', b" " * MIB):  # fmt: skip
        assert complaint(repr(body[:20]), path, site.post(path, body, ADMIN), (400, 413)) is None
    for chunked in (False, True):
        assert say(site.port, flood(path, ADMIN, 100 * MIB, chunked=chunked)).status == 413
