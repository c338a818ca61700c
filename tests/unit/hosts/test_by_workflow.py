"""The function that waits for the stages: large things travel by reference both ways, errors are raised as they were,
and a run that gives nonsense is a lost one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.hosts.by_workflow import WorkflowAnswers
from router_core.deployment import STAGE
from router_core.errors import DeadlineError, LostError, StoreError
from router_core.inference import Caller, InferenceRequest
from tests.parity.cases import TARGETS, Case
from tests.parity.site import House, MemoryBlobs, Waited, environment
from tests.unit.hosts.house import PINNED, asked
from tests.upstream.server import FaultServer

TEXT = {"input": "what is the capital of France", **PINNED}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[tuple[House, FaultServer]]:
    with FaultServer(length=6) as server:
        house = House(environment(dict.fromkeys(TARGETS, server.url), tmp_path), waited=True)
        try:
            yield house, server
        finally:
            house.close()


def test_a_long_request_travels_by_reference_and_its_answer_is_the_same(
    house: tuple[House, FaultServer],
) -> None:
    site, _ = house
    long = {**TEXT, "input": "lorem ipsum dolor sit amet " * 1_500}
    status, body, headers = asked(site, Case(name="long", body=long))
    assert status == 200
    assert site.waited is not None
    (run,) = site.waited.runs.values()
    assert set(run.payload["request"]) == {"by_reference"}
    assert body["output"]["text"]
    assert headers["x-tierwise-target"] == ["mec/a"]
    assert float(headers["x-tierwise-overhead-ms"][0]) > 0.0


def test_nothing_is_kept_for_later_but_the_door_knows_the_answer(house: tuple[House, FaultServer]) -> None:
    site, _ = house
    _, body, _ = asked(site, Case(name="kept", body=TEXT))
    path = f"/inference/{body['request_id']}"
    status, again, _ = asked(site, Case(name="again", method="GET", path=path))
    assert status == 200
    assert again["output"] == body["output"]
    assert site.waited is not None
    (run,) = site.waited.runs.values()
    assert run.output["status"] == "completed"
    assert "problem" not in run.output


def test_the_same_key_runs_the_stages_once(house: tuple[House, FaultServer]) -> None:
    site, _ = house
    case = Case(name="once", body=TEXT, headers={"idempotency-key": "k-1"})
    first, again = asked(site, case), asked(site, case)
    assert first[:2] == again[:2]
    assert site.waited is not None
    assert len(site.waited.runs) == 1


def test_an_explanation_needs_no_run(house: tuple[House, FaultServer]) -> None:
    site, _ = house
    status, body, _ = asked(site, Case(name="explain", path="/explain", body=TEXT))
    assert (status, body["attempts"]) == (200, [])
    assert site.waited is not None
    assert site.waited.runs == {}


class Runner:
    """Gives what it was told to give."""

    def __init__(self, output: str) -> None:
        self._output = output

    async def run(self, name: str, payload: str) -> str:
        assert json.loads(payload)["waiting"] is True
        return self._output


class Throttled(Waited):
    """A machine that cannot be started now."""

    async def run(self, name: str, payload: str) -> str:
        raise StoreError("the workflow is throttled (ThrottlingException)")


def waiting(output: str) -> WorkflowAnswers:
    inside: Any = None  # nothing here needs it
    return WorkflowAnswers(inside, Runner(output), MemoryBlobs())


REQUEST = InferenceRequest(
    request_id="req_1",
    received_s=0.0,
    caller=Caller(tenant="acme", key_id="k"),
    messages=({"role": "user", "content": "hello"},),
)


@pytest.mark.parametrize("output", ["{}", "null", "[]", '"done"', '{"status": "completed"}'])
async def test_an_output_that_is_no_answer_is_a_lost_run(output: str) -> None:
    with pytest.raises(LostError):
        await waiting(output).answer(REQUEST)


async def test_what_the_stages_raised_is_raised_with_the_policy_that_decided() -> None:
    raised = {"error": "DeadlineError", "attempts": [], "deadline_ms": 40.0, "policy": "p@3"}
    with pytest.raises(DeadlineError) as caught:
        await waiting(json.dumps({"status": "failed", "raised": raised})).answer(REQUEST)
    assert caught.value.policy == "p@3"


def test_a_machine_that_cannot_be_started_is_503_and_the_problem_names_no_address(tmp_path: Path) -> None:
    house = House(environment(dict.fromkeys(TARGETS, "http://127.0.0.1:9"), tmp_path), waited=True)
    house.waited = Throttled(house.functions)
    try:
        status, body, headers = asked(house, Case(name="throttled", body=TEXT))
    finally:
        house.close()
    assert (status, body["type"]) == (503, "urn:tierwise:problem:store_unavailable")
    assert "retry-after" in headers
    assert STAGE not in json.dumps(body)
