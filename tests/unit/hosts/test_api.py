"""The one-function mode: what API Gateway's events become, and what runs asynchronously."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.hosts.aws_lambda import Host
from router_core.deployment import STAGE
from router_core.errors import ConfigurationError
from tests.parity.cases import Case
from tests.parity.site import Clock, House, proxy_event
from tests.unit.hosts.house import PINNED, asked, one_server, run
from tests.upstream.server import Fault, FaultServer

HELLO = Case(name="hello", body={"input": "hello", **PINNED})


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[House, FaultServer]]:
    with one_server(tmp_path) as found:
        yield found


class Short(Clock):
    """A function that is about to end."""

    def get_remaining_time_in_millis(self) -> int:
        return 700


def test_an_answer_has_the_gateways_headers(site: tuple[House, FaultServer]) -> None:
    status, body, headers = asked(site[0], HELLO)
    assert status == 200
    assert headers["x-tierwise-target"] == ["mec/a"] == [body["routing"]["target"]]
    assert headers["x-tierwise-request-id"] == [body["request_id"]]


def test_a_body_in_base64_is_the_same_body(site: tuple[House, FaultServer]) -> None:
    event = proxy_event(HELLO)
    event |= {"body": base64.b64encode(HELLO.raw).decode(), "isBase64Encoded": True}
    assert site[0].host("api")(event, Clock())["statusCode"] == 200


def test_two_authorization_headers_are_nobody(site: tuple[House, FaultServer]) -> None:
    event = proxy_event(HELLO)
    event["multiValueHeaders"]["Authorization"] *= 2
    assert site[0].host("api")(event, Clock())["statusCode"] == 401


@pytest.mark.parametrize("path", ["/inference", "/v1/chat/completions"])
def test_a_stream_is_refused_with_the_way_to_it(site: tuple[House, FaultServer], path: str) -> None:
    body = (
        {"input": "x"}
        if path == "/inference"
        else {"model": "auto", "messages": [{"role": "user", "content": "x"}]}
    )
    status, told, _ = asked(site[0], Case(name="s", path=path, body={**body, "stream": True}))
    assert status == 422
    assert "the gateway service" in str(told)


def test_the_functions_end_is_a_deadline(site: tuple[House, FaultServer]) -> None:
    house, server = site
    server.begin(default=Fault(kind="half_open"))
    status, body, headers = asked(house, HELLO, Short())
    assert (status, headers["content-type"]) == (504, ["application/problem+json"])
    assert body["type"] == "urn:tierwise:problem:deadline"


def test_health_needs_no_key(site: tuple[House, FaultServer]) -> None:
    assert asked(site[0], Case(name="h", method="GET", path="/health/liveness", key=None))[0] == 200
    assert asked(site[0], Case(name="m", method="GET", path="/metrics"))[0] == 403


def test_an_asynchronous_request_runs_as_a_workflow_and_is_fetched_by_its_id(
    site: tuple[House, FaultServer],
) -> None:
    house, _ = site
    status, queued, headers = asked(house, Case(name="a", body={"input": "hello", **PINNED, "mode": "async"}))
    assert (status, queued["status"], queued["stage"]) == (202, "queued", "CREATED")
    request_id = queued["request_id"]
    assert headers["location"] == [f"/inference/{request_id}"]
    fetch = Case(name="f", method="GET", path=f"/inference/{request_id}")
    assert asked(house, fetch)[1] == queued
    assert run(house, house.started.runs[request_id]).succeeded
    status, body, _ = asked(house, fetch)
    assert (status, body["status"], body["output"]["text"]) == (200, "completed", "w0 w1 w2 w3 w4 w5")
    assert {record["kind"] for record in house.events.records} == {"policy", "state", "decision", "outcome"}


def test_a_failed_asynchronous_request_says_why(site: tuple[House, FaultServer]) -> None:
    house, server = site
    server.begin(default=Fault(kind="status", status=500))
    _, queued, _ = asked(house, Case(name="a", body={"input": "hello", **PINNED, "mode": "async"}))
    assert not run(house, house.started.runs[queued["request_id"]]).succeeded
    _, body, _ = asked(house, Case(name="f", method="GET", path=f"/inference/{queued['request_id']}"))
    assert (body["status"], body["stage"], body["problem"]["status"]) == ("failed", "FAILED", 502)
    assert [attempt["target"] for attempt in body["problem"]["attempts"]] == ["mec/a", "mec/a"]
    assert house.events.of("outcome")[0]["status"] == "failed"


def test_who_asks_comes_from_the_key_and_from_nowhere_else(site: tuple[House, FaultServer]) -> None:
    house, _ = site
    body = {"input": "x", "mode": "async", "metadata": {"tenant": "rival"}, "user": "root"}
    case = Case(name="a", body=body)
    _, queued, _ = asked(house, case)
    sent = house.started.runs[queued["request_id"]]["request"]
    assert sent["caller"] == {"tenant": "acme", "key_id": "phone"}
    stranger = replace(case, body={**body, "caller": {"tenant": "rival"}})
    assert asked(house, stranger)[0] == 400


def test_a_function_without_keys_or_with_an_unknown_stage_does_not_start(
    site: tuple[House, FaultServer],
) -> None:
    environ = {name: value for name, value in site[0].environ.items() if name != "TIERWISE_KEYS"}
    keyless = Host({**environ, STAGE: "api"})
    with pytest.raises(ConfigurationError, match="needs"):
        keyless(proxy_event(HELLO), Clock())
    keyless.close()
    with pytest.raises(ConfigurationError, match=STAGE):
        Host({**environ, STAGE: "kitchen"})
