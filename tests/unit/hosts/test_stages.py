"""The stages as functions: what travels by reference, what a failed stage says, and what it must not say."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.hosts.aws_lambda import Host
from router_core.errors import StoreError
from router_core.learning.estimates import Estimates
from router_core.learning.shared_estimates import SharedEstimates, estimates_key, to_value
from tests.parity.cases import TARGETS, Case
from tests.parity.site import House, MemoryBlobs, environment
from tests.parity.test_parity import request_of
from tests.unit.hosts.house import PINNED, one_server, run
from tests.upstream.server import Fault, FaultServer

LONG = "lorem ipsum dolor sit amet " * 1_800


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[House, FaultServer]]:
    with one_server(tmp_path) as found:
        yield found


def asking(**body: Any) -> dict[str, Any]:
    return {"request": request_of(Case(name="x", body={"input": "hello", **PINNED, **body}))}


def until(house: House, last: str, payload: dict[str, Any]) -> dict[str, Any]:
    """The payload as `last` is given it."""
    for name in ("context", "resource", "router", "cache", "execute"):
        if name == last:
            return payload
        payload = house.host(name)(payload, None)
    return payload


def failure(host: Host, payload: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Name and message of the error that a stage ends with."""
    with pytest.raises(Exception) as caught:
        host(payload, None)
    return type(caught.value).__name__, json.loads(str(caught.value))


def test_large_values_travel_by_reference_and_arrive_whole(site: tuple[House, FaultServer]) -> None:
    house, server = site
    server.length = 9_000
    done = run(house, asking(input=LONG))
    answer = done.payload["answer"]
    assert done.succeeded
    assert set(answer) == {"status", "by_reference"}
    whole = json.loads(house.blobs.kept[answer["by_reference"]])
    assert whole["output"]["text"].endswith("w8999")
    assert "by_reference" in done.payload["execution"]
    assert server.requests[-1].json["messages"][-1]["content"] == LONG


def test_the_snapshot_is_of_targets_as_they_are_and_of_what_others_learned(tmp_path: Path) -> None:
    with FaultServer(models=("test-model",)) as server:
        environ = environment(dict.fromkeys(TARGETS, server.url), tmp_path)
        house = House({**environ, "TIERWISE_STORES__STATE": "state"}, look_s=0.0)
        known = SharedEstimates(estimates=Estimates(ttft_ms=77.0, samples=500, timed=500))
        asyncio.run(house.states.put(estimates_key("mec/a"), to_value(known)))
        payload = house.host("resource")(house.host("context")(asking(), None), None)
        seen = {one["spec"]["name"]: one["state"] for one in payload["resources"]["state"]["targets"]}
        assert (seen["mec/a"]["health"], seen["mec/a"]["ttft_ms"]) == ("up", 77.0)
        assert seen["device/intent-v1"]["health"] == "down"
        assert seen["cloud/a"]["health"] == "unknown"
        server.healthy = False
        payload = house.host("resource")(payload, None)
        assert {one["state"]["health"] for one in payload["resources"]["state"]["targets"]} == {
            "down",
            "unknown",
        }
        house.close()


def test_legs_are_states_and_their_attempts_add_up(site: tuple[House, FaultServer]) -> None:
    house, server = site
    server.begin(Fault(kind="status", status=500))
    done = run(house, asking())
    assert done.visited.count("execute") == 2
    assert [a["outcome"] for a in done.payload["answer"]["attempts"]] == ["unavailable", "ok"]
    assert "caught" not in done.payload


def test_an_answer_given_before_passes_execution_over(site: tuple[House, FaultServer]) -> None:
    house, server = site
    payload = asking(params={"temperature": 0})
    assert run(house, payload).payload["answer"]["cache"] == "miss"
    again = run(house, payload)
    assert "execute" not in again.visited
    assert again.payload["answer"]["cache"] == "hit"
    assert again.payload["answer"]["output"]["text"] == "w0 w1 w2 w3 w4 w5"
    assert len(server.requests) == 1


def test_a_targets_own_words_are_in_no_message_that_a_log_may_hold(site: tuple[House, FaultServer]) -> None:
    house, server = site
    server.begin(default=Fault(kind="status", status=400))
    payload = until(house, "execute", asking(preferences={"target": "mec/a", "fallback": True}))
    name, told = failure(house.host("execute"), payload)
    assert (name, set(told)) == ("TargetFailedError", {"error", "by_reference"})
    assert b"scripted fault" in house.blobs.kept[told["by_reference"]]
    done = run(house, asking())
    assert "scripted fault" in done.payload["answer"]["problem"]["attempts"][0]["error"]


def test_attempts_survive_an_archive_that_is_away_without_the_words(site: tuple[House, FaultServer]) -> None:
    house, server = site

    class Away(MemoryBlobs):
        async def put(self, content: bytes) -> str:
            raise StoreError("the archive cannot be reached")

    house.blobs = Away()
    server.begin(default=Fault(kind="status", status=400))
    payload = until(house, "execute", asking(preferences={"target": "mec/a", "fallback": True}))
    name, told = failure(house.host("execute"), payload)
    assert name == "TargetFailedError"
    assert [attempt["outcome"] for attempt in told["notes"]["attempts"]] == ["refused"]
    assert "scripted" not in json.dumps(told)


def test_a_large_value_that_cannot_be_put_away_is_a_store_error(site: tuple[House, FaultServer]) -> None:
    house, _ = site
    name, told = failure(house.host("resource"), {"request": {"by_reference": "gone"}})
    assert (name, told["error"]) == ("InternalError", "InternalError")


def test_an_unforeseen_error_keeps_its_words_to_itself(site: tuple[House, FaultServer]) -> None:
    house, _ = site
    name, told = failure(house.host("context"), {"request": {"messages": ["secret words"]}})
    assert (name, told) == ("InternalError", {"error": "InternalError"})


@pytest.mark.parametrize(
    "caught",
    [
        {"Error": "States.Timeout", "Cause": ""},
        {"Error": "Lambda.Unknown", "Cause": "The function died"},
        {"Error": "Runtime.ExitError", "Cause": json.dumps({"errorMessage": "RequestId: x Error: exit 1"})},
        {
            "Error": "InternalError",
            "Cause": json.dumps({"errorMessage": json.dumps({"error": "InternalError"})}),
        },
    ],
)
def test_a_stage_that_died_ends_in_an_answer_all_the_same(
    site: tuple[House, FaultServer], caught: dict[str, str]
) -> None:
    house, _ = site
    payload = until(house, "execute", asking())
    told = house.host("monitor")({**payload, "caught": caught}, None)["answer"]
    assert (told["status"], told["problem"]["status"]) == ("failed", 500)
    assert house.events.of("outcome")[0]["status"] == "failed"


def test_a_snapshot_that_is_not_the_one_it_names_is_refused(site: tuple[House, FaultServer]) -> None:
    house, _ = site
    payload = until(house, "router", asking())
    payload["resources"]["state"]["sha256"] = "0" * 64
    assert failure(house.host("router"), payload)[0] == "StoreError"
