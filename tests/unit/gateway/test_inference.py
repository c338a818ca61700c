"""`/inference`, `/explain` and what can be done with an answer afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from gateway.http.edge import Gateway
from gateway.http.ports import DecisionQuery
from router_core.errors import UnavailableError
from router_core.execution import Choice, Chunk, DeviceOutcome, Handoff, Output
from router_core.inference import Plan
from tests.unit.gateway.asgi import ADMIN, OTHER, Reply, application, call
from tests.unit.gateway.scripted import TEXT, ScriptedRouter

ANSWER = {
    "request_id",
    "status",
    "stage",
    "output",
    "usage",
    "routing",
    "attempts",
    "timings",
    "cost_usd",
    "energy_j",
    "cache",
}
ROUTING = {"tier", "target", "model", "confidence", "risk", "class", "reason", "scores", "fallbacks", "rejected", "policy",
           "decided_by", "propensity", "emulated", "handoff"}  # fmt: skip
PLAN = Plan(model="intent-v1", params={"max_tokens": 8}, deadline_ms=300.0, fallback=("mec/edge-a",))


async def test_an_answer_has_every_field_and_header_of_the_interface() -> None:
    reply = await call(application(), "POST", "/inference", {"input": "turn off the lights"})
    body = reply.json
    assert reply.status == 200
    assert body.keys() == ANSWER
    assert body["routing"].keys() == ROUTING
    assert body["output"] == {"text": TEXT, "json": None, "tool_calls": None, "finish_reason": "stop"}
    assert body["usage"] == {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}
    assert body["attempts"] == [{"target": "mec/edge-a", "outcome": "ok", "latency_ms": 12.5, "error": None}]
    assert body["timings"].keys() == {"context_ms", "resource_ms", "decision_ms", "execution_ms", "total_ms"}
    assert body["routing"]["reason"].startswith("mec/edge-a")
    assert reply.headers["x-tierwise-request-id"] == body["request_id"]
    expected = {"tier": "mec", "target": "mec/edge-a", "model": "llama-3.1-8b", "cache": "miss", "policy": "default@1",
                "emulated": "false", "cost-usd": "0.00001200", "overhead-ms": "0.200"}  # fmt: skip
    assert {name: reply.headers[f"x-tierwise-{name}"] for name in expected} == expected


async def test_json_that_was_asked_for_is_parsed_and_json_that_was_not_is_left_alone() -> None:
    router = ScriptedRouter(output=lambda _: Output(choices=(Choice(text='{"a": 1}'),)))
    wanted = {"input": "x", "params": {"response_format": {"type": "json_object"}}}
    assert (await call(application(router), "POST", "/inference", wanted)).json["output"]["json"] == {"a": 1}
    assert (await call(application(router), "POST", "/inference", {"input": "x"})).json["output"][
        "json"
    ] is None


async def test_commands_of_a_device_model_come_as_json() -> None:
    commands = {"commands": [{"intent": "set_timer", "slots": {"duration_s": 300}}]}
    router = ScriptedRouter(output=lambda _: Output(choices=(Choice(text="Timer set."),), json=commands))
    reply = await call(application(router), "POST", "/inference", {"input": "x", "task": "command"})
    assert reply.json["output"]["json"] == commands


async def test_explain_decides_and_runs_nothing() -> None:
    reply = await call(application(), "POST", "/explain", {"input": "x"})
    assert (reply.status, reply.json["output"], reply.json["attempts"]) == (200, None, [])
    assert reply.json["routing"].keys() == ROUTING


async def stream(router: ScriptedRouter) -> Reply:
    return await call(application(router), "POST", "/inference", {"input": "x", "stream": True})


async def test_a_stream_is_decision_deltas_and_one_done() -> None:
    reply = await stream(ScriptedRouter())
    names = [name for name, _ in reply.events]
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert "x-tierwise-cost-usd" not in reply.headers
    assert reply.headers["x-tierwise-target"] == "mec/edge-a"
    assert names == ["decision", "delta", "delta", "delta", "delta", "done"]
    assert reply.events[0][1].keys() == ROUTING
    assert "".join(data["text"] for name, data in reply.events if name == "delta") == TEXT
    assert reply.events[-1][1].keys() == ANSWER
    assert reply.events[-1][1]["output"]["text"] is None


async def test_a_handoff_is_told_where_it_happened() -> None:
    pieces: list[Chunk | Handoff] = [
        Chunk(text="The "), Handoff(source="mec/edge-a", to="cloud/nova-pro", at_chars=4), Chunk(text="end."),
    ]  # fmt: skip
    reply = await stream(ScriptedRouter(pieces=lambda _: pieces))
    assert [name for name, _ in reply.events] == ["decision", "delta", "handoff", "delta", "done"]
    assert reply.events[2][1] == {"from": "mec/edge-a", "to": "cloud/nova-pro", "at_chars": 4}


@pytest.mark.parametrize("error", [UnavailableError("cut after 3 tokens"), RuntimeError("canary")])
async def test_a_stream_that_dies_ends_with_one_error_event_and_no_done(error: Exception) -> None:
    reply = await stream(ScriptedRouter(breaks=error))
    names = [name for name, _ in reply.events]
    assert (names[-1], names.count("error"), names.count("done")) == ("error", 1, 0)
    assert reply.events[-1][1]["status"] in (500, 502)
    assert b"canary" not in reply.body


async def test_vectors_can_be_asked_for() -> None:
    router = ScriptedRouter()
    body = {
        "messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "bb"}],
        "task": "embed",
    }
    reply = await call(application(router), "POST", "/inference", body)
    assert reply.json["output"]["vectors"] == [[1.0, 0.5, -0.25], [2.0, 0.5, -0.25]]
    assert router.embedded[0].inputs == ("a", "bb")


async def test_a_plan_is_given_to_a_device_that_executes_and_its_report_arrives_once() -> None:
    router = ScriptedRouter(plan=PLAN)
    app = application(router)
    body = {"input": "x", "device": {"executes": True, "models": ["intent-v1"]}}
    reply = await call(app, "POST", "/inference", body)
    assert (reply.json["status"], reply.json["output"]) == ("execute_on_device", None)
    assert reply.json["plan"] == {
        "model": "intent-v1",
        "params": {"max_tokens": 8},
        "deadline_ms": 300.0,
        "fallback": ["mec/edge-a"],
    }
    path = f"/inference/{reply.json['request_id']}/outcome"
    report = {"status": "completed", "output_tokens": 5, "latency_ms": 8.5, "quality": 0.9, "error": None}
    for _ in range(2):
        assert (await call(app, "POST", path, report)).status == 204
    assert router.reported == [
        ("acme", reply.json["request_id"], "mec/edge-a",
         DeviceOutcome(status="completed", output_tokens=5, latency_ms=8.5, quality=0.9))
    ]  # fmt: skip
    assert (await call(app, "POST", path, report, key=OTHER)).status == 404
    assert (await call(app, "POST", path, {"status": "great"})).status == 400


async def test_an_outcome_for_an_answer_that_was_no_plan_is_a_conflict() -> None:
    app = application()
    done = await call(app, "POST", "/inference", {"input": "x"})
    path = f"/inference/{done.json['request_id']}/outcome"
    assert (await call(app, "POST", path, {"status": "completed"})).status == 409


@pytest.mark.parametrize("path", ["/inference", "/v1/chat/completions"])
@pytest.mark.parametrize("streamed", [False, True])
async def test_an_answer_can_be_read_again_and_judged_by_its_tenant_only(path: str, streamed: bool) -> None:
    router = ScriptedRouter()
    app = application(router)
    chat = {"messages": [{"role": "user", "content": "x"}], "stream": streamed}
    first = await call(app, "POST", path, chat if path == "/inference" else {**chat, "model": "auto"})
    request_id = first.headers["x-tierwise-request-id"]
    again = await call(app, "GET", f"/inference/{request_id}")
    assert (again.status, again.json["output"]["text"]) == (200, TEXT)
    judged = {"score": 0.25, "comment": "meh"}
    assert (await call(app, "POST", f"/inference/{request_id}/feedback", judged)).status == 204
    assert router.judged == [("acme", request_id, "mec/edge-a", 0.25, 3)]
    for method, place, body in (("GET", "", None), ("POST", "/feedback", judged)):
        reply = await call(app, method, f"/inference/{request_id}{place}", body, key=OTHER)
        assert reply.status == 404
    assert (await call(app, "POST", f"/inference/{request_id}/feedback", {"score": 1.01})).status == 400


class Log:
    """An event log with one decision of tenant acme."""

    record: Mapping[str, Any] = {
        "decision": {"request_id": "req_old", "tenant": "acme", "chosen": "mec/edge-a", "tier": "mec", "class": "simple",
                     "scores": {"mec/edge-a": 0.8}, "rejected": {}, "policy": "default@1"},
        "outcome": {"status": "completed", "target": "cloud/nova-pro", "tier": "cloud", "attempts": [],
                    "usage": {"prompt_tokens": 1, "completion_tokens": 2}, "cost_usd": 0.5, "latency_ms": 9.0},
    }  # fmt: skip

    def __init__(self) -> None:
        self.queries: list[DecisionQuery] = []

    async def find(self, request_id: str) -> Mapping[str, Any] | None:
        return self.record if request_id == "req_old" else None

    async def recent(self, query: DecisionQuery) -> Sequence[Mapping[str, Any]]:
        self.queries.append(query)
        return [self.record["decision"]]


async def test_what_memory_forgot_is_read_from_the_event_log() -> None:
    router = ScriptedRouter()
    app = application(router, decisions=Log())
    reply = await call(app, "GET", "/inference/req_old")
    assert (reply.status, reply.json["output"], reply.json["routing"]["target"]) == (
        200,
        None,
        "cloud/nova-pro",
    )
    assert reply.json["usage"]["total_tokens"] == 3
    assert (await call(app, "GET", "/inference/req_old", key=OTHER)).status == 404
    assert (await call(app, "POST", "/inference/req_old/feedback", {"score": 1})).status == 204
    assert router.judged[0][2] == "cloud/nova-pro"
    assert (await call(app, "GET", "/inference/req_unknown")).status == 404


async def test_an_operator_filters_the_decisions() -> None:
    log = Log()
    app = application(decisions=log)
    reply = await call(app, "GET", "/admin/decisions?limit=5&tenant=acme&tier=mec&class=simple", key=ADMIN)
    assert reply.json == {"decisions": [dict(Log.record["decision"])]}
    assert log.queries == [DecisionQuery(limit=5, tenant="acme", tier="mec", request_class="simple")]
    assert (await call(app, "GET", "/admin/decisions?limit=0", key=ADMIN)).status == 400


async def stage(app: Gateway, path: str) -> str:
    """The stage of a job, once it has left INFERENCE."""
    for _ in range(200):
        reply = await call(app, "GET", path)
        if reply.json["stage"] not in ("CREATED", "INFERENCE"):
            return str(reply.json["stage"])
        await asyncio.sleep(0.005)
    raise AssertionError("the job never ended")


async def test_an_asynchronous_request_is_accepted_and_fetched_by_its_location() -> None:
    app = application(ScriptedRouter(wait_s=0.02))
    reply = await call(app, "POST", "/inference", {"input": "x", "mode": "async"})
    assert (reply.status, reply.json["status"], reply.json["stage"]) == (202, "queued", "CREATED")
    place = reply.headers["location"]
    assert place == f"/inference/{reply.json['request_id']}"
    assert (await call(app, "GET", place)).json["status"] == "queued"
    assert (await call(app, "GET", place, key=OTHER)).status == 404
    assert await stage(app, place) == "COMPLETED"
    assert (await call(app, "GET", place)).json["output"]["text"] == TEXT


async def test_an_asynchronous_request_that_fails_says_why() -> None:
    app = application(ScriptedRouter(fails=UnavailableError("no node")))
    reply = await call(app, "POST", "/inference", {"input": "x", "mode": "async"})
    assert await stage(app, reply.headers["location"]) == "FAILED"
    answer = (await call(app, "GET", reply.headers["location"])).json
    assert (answer["status"], answer["problem"]["status"]) == ("failed", 502)


async def test_more_asynchronous_requests_than_may_wait_are_turned_away_and_few_run_at_once() -> None:
    router = ScriptedRouter(wait_s=0.05)
    app = application(router, async_running=2, async_waiting=3)
    replies = []
    for _ in range(7):
        replies.append(await call(app, "POST", "/inference", {"input": "x", "mode": "async"}))
        await asyncio.sleep(0)
    assert [reply.status for reply in replies] == [202] * 5 + [503] * 2
    assert "retry-after" in replies[-1].headers
    assert len(router.asked) == 2
    assert await app.drained(5.0)
    assert len(router.asked) == 5


async def test_large_asynchronous_bodies_wait_only_as_far_as_memory_allows() -> None:
    app = application(ScriptedRouter(wait_s=0.05), async_running=1)
    body = {"input": "x" * (9 * 2**20), "mode": "async"}
    statuses = [(await call(app, "POST", "/inference", body)).status for _ in range(9)]
    assert (statuses[0], statuses[-1]) == (202, 503)
    assert await app.drained(5.0)
    assert (await call(app, "POST", "/inference", body)).status == 202
