"""What one tenant did, another can neither read, judge, finish nor be served; it cannot even learn that it exists."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.e2e.hostile.site import ADMIN, A, B, Site
from tests.e2e.hostile.wire import Reply

ASKED = {"input": "What does the acme-canary project cost?", "preferences": {"target": "mec/good"}}
PLAN = {"input": "set a timer for 5 minutes", "device": {"models": ["intent-v1"], "executes": True}}
FEEDBACK, OUTCOME = {"score": 1.0}, {"status": "completed", "output_tokens": 3}


def shape(reply: Reply) -> tuple[int, dict[str, Any], set[str]]:
    """All of a refusal but what names this very request."""
    body = {name: value for name, value in reply.json.items() if name != "request_id"}
    return reply.status, body, set(reply.headers)


def wait_done(site: Site, path: str, key: str) -> dict[str, Any]:
    for _ in range(200):
        found: dict[str, Any] = site.get(path, key).json
        if found["stage"] not in ("CREATED", "INFERENCE"):
            return found
        time.sleep(0.02)
    raise AssertionError("the job did not end")


def assert_hidden(site: Site, request_id: str) -> None:
    """Each way to the request ends as with an id that never was."""
    for path in ("", "/feedback", "/outcome"):
        body = {"/feedback": FEEDBACK, "/outcome": OUTCOME}.get(path)
        ask = [
            site.get(f"/inference/{name}", B)
            if body is None
            else site.post(f"/inference/{name}{path}", body, B)
            for name in (request_id, "req_01a1fdb36a112304bad98d55636e")
        ]
        assert ask[0].status == 404
        assert shape(ask[0]) == shape(ask[1])


def test_a_decision_is_its_tenants_own(site: Site) -> None:
    answer = site.post("/inference", ASKED).json
    assert_hidden(site, answer["request_id"])
    assert site.get(f"/inference/{answer['request_id']}").json["output"] == answer["output"]
    assert site.post(f"/inference/{answer['request_id']}/feedback", FEEDBACK).status == 204


def test_a_decision_read_back_from_the_records_is_its_tenants_own(site: Site) -> None:
    """Streams and answers under /v1 are found by the id in their headers."""
    chat = {"model": "mec/good", "messages": [{"role": "user", "content": "hello"}]}
    request_id = site.post("/v1/chat/completions", chat).headers["x-tierwise-request-id"]
    assert_hidden(site, request_id)
    assert site.get(f"/inference/{request_id}").status == 200


def test_a_plan_is_finished_by_its_own_tenant(site: Site) -> None:
    answer = site.post("/inference", PLAN).json
    assert answer["status"] == "execute_on_device"
    assert_hidden(site, answer["request_id"])
    assert site.post(f"/inference/{answer['request_id']}/outcome", OUTCOME).status == 204


def test_a_job_is_its_tenants_own_before_and_after_it_ran(site: Site) -> None:
    accepted = site.post("/inference", {**ASKED, "mode": "async"})
    assert accepted.status == 202
    path = accepted.headers["location"]
    assert_hidden(site, path.removeprefix("/inference/"))
    assert wait_done(site, path, A)["stage"] == "COMPLETED"
    assert_hidden(site, path.removeprefix("/inference/"))


def test_a_cached_answer_is_not_served_to_another_tenant(site: Site) -> None:
    body = {
        "input": "What is the capital of the acme-canary empire?",
        "params": {"temperature": 0},
        "preferences": {"target": "mec/good"},
    }
    first = site.post("/inference", body)
    again = site.post("/inference", body)
    other = site.post("/inference", body, B)
    assert [reply.headers["x-tierwise-cache"] for reply in (first, again, other)] == ["miss", "hit", "miss"]
    assert other.json["request_id"] != first.json["request_id"]


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_an_idempotency_key_belongs_to_its_tenant(site: Site, mode: str) -> None:
    """The same key and body replays for A, runs anew for B; and B's other body is no conflict with A's."""
    body, line = {**ASKED, "mode": mode}, f"idempotency-key: same-{mode}\r\n"
    first, again = (site.post("/inference", body, A, line) for _ in range(2))
    other = site.post("/inference", body, B, line)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json["request_id"] == first.json["request_id"] != other.json["request_id"]
    assert "idempotency-replayed" not in other.headers
    assert site.post("/inference", {"input": "another"}, A, line).status == 409
    assert site.post("/inference", {"input": "another"}, ADMIN, line).status == 200


def test_names_in_a_body_do_not_make_somebody_elses(site: Site) -> None:
    """A tenant is a property of the key: user, session and metadata may say what they like."""
    claim = {
        **ASKED,
        "user": "operator",
        "session_id": "bolt",
        "metadata": {"tenant": "bolt", "role": "admin", "key_id": "b"},
    }
    answer = site.post("/inference", claim).json
    assert_hidden(site, answer["request_id"])
    for _ in range(100):
        mine = site.get("/admin/decisions?tenant=acme&limit=500", ADMIN).json["decisions"]
        if answer["request_id"] in json.dumps(mine):
            return
        time.sleep(0.02)
    raise AssertionError("the decision isn't recorded as its tenant's")
