"""One request, four ways, one answer: the gateway, the one-function Lambda, the stages of the workflow, and the function
that waits for these stages.

Compared are status, decision, output, usage, cost, attempts in order, and problems; not times and ids.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.http.intake import inference_request
from gateway.http.wire.decoding import BodyDecoder
from gateway.http.wire.inference import InferenceBody
from infra.constructs.workflow import definition
from router_core.inference import Caller
from router_core.payload import to_json
from router_core.stages import NAMES
from tests.parity.bad_cases import bad_cases
from tests.parity.cases import NEAR, Case, inference_cases, planned_cases, silent_cases
from tests.parity.machine import Run, walk
from tests.parity.site import CREDENTIALS, Clock, Gateway, House, environment, proxy_event, upstreams
from tests.upstream.server import FaultServer

MACHINE = definition({name: name for name in NAMES})
VARYING = ("x-tierwise-request-id", "x-tierwise-overhead-ms", "content-length")
Told = tuple[int, dict[str, list[str]], Any]
CASES = [*inference_cases(216), *silent_cases(), *planned_cases()]
_DECODER = BodyDecoder(InferenceBody, once=("messages", "input"))


class Site:
    """The targets, and one request after the other to each host."""

    def __init__(self, servers: Mapping[str, FaultServer], folder: Path) -> None:
        self._servers = servers
        self._environ = environment({name: server.url for name, server in servers.items()}, folder)
        # No stage learns from a request what another would decide by, so one set of them serves all cases.
        self._stages = House(self._environ)
        self._waiting = House(self._environ, waited=True)
        self.ran = False
        """Whether the last request that was waited for went through the stages."""

    def gateway(self, case: Case) -> tuple[int, Any]:
        self._begin(case)
        house = House(self._environ)
        host = Gateway(house)
        try:
            reply = host(case)
        finally:
            host.close()
        return reply.status, comparable(reply.json if reply.body else None)

    def function(self, case: Case) -> Told:
        self._begin(case)
        house = House(self._environ)
        try:
            return told(house.host("api")(proxy_event(case), Clock()))
        finally:
            house.close()

    def waiting(self, case: Case) -> Told:
        """The function that asks the stages; its limits and idempotency keys start anew with each case."""
        self._begin(case)
        self._waiting.responses.entries.clear()
        waited = self._waiting.waited
        assert waited is not None
        waited.runs.clear()
        answer = told(self._waiting.host("api")(proxy_event(case), Clock()))
        self.ran = bool(waited.runs)
        return answer

    def workflow(self, case: Case) -> tuple[int, Any, Run]:
        self._begin(case)
        self._stages.responses.entries.clear()
        run = walk(MACHINE, self._stages.functions(), {"request": request_of(case)})
        answer = run.payload["answer"]
        if answer["status"] == "failed":
            return answer["problem"]["status"], comparable(answer["problem"]), run
        return 200, comparable(answer), run

    def close(self) -> None:
        self._stages.close()
        self._waiting.close()

    def _begin(self, case: Case) -> None:
        for name, server in self._servers.items():
            first, then = case.scripts.get(name, ((), None))
            server.begin(*first) if then is None else server.begin(*first, default=then)


def told(answer: Mapping[str, Any]) -> Told:
    """Status, headers and body that API Gateway is given."""
    headers = {name: values for name, values in answer["multiValueHeaders"].items() if name not in VARYING}
    return (
        answer["statusCode"],
        headers,
        comparable(json.loads(answer["body"]) if answer["body"] else None),
    )


def request_of(case: Case) -> dict[str, Any]:
    """What the authenticated function hands to the workflow."""
    near = case.key == NEAR
    caller = Caller(tenant="acme", key_id="near" if near else "phone")
    if near:
        caller = Caller(tenant="acme", key_id="near", tiers=("device", "mec"))
    request = inference_request(_DECODER.decode(case.raw), caller, "req_workflow", cache_allowed=True)
    if request.task == "embed":
        # The gateway hands texts to be embedded on without these.
        request = replace(request, metadata={}, session_id=None)
    return to_json(request)


def comparable(body: Any) -> Any:
    """Without times and ids, at any depth."""
    if isinstance(body, dict):
        left_out = ("request_id", "timings", "latency_ms", "id", "created", "system_fingerprint")
        return {name: comparable(value) for name, value in body.items() if name not in left_out}
    return [comparable(one) for one in body] if isinstance(body, list) else body


@pytest.fixture(scope="module", autouse=True)
def _credentials() -> Iterator[None]:
    """Where Lambda and a container have them."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with upstreams() as servers:
        site = Site(servers, tmp_path_factory.mktemp("parity"))
        yield site
        site.close()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_host_gives_the_same_answer(site: Site, case: Case) -> None:
    gateway = site.gateway(case)
    status, headers, body = site.function(case)
    assert (status, body) == gateway
    assert site.waiting(case) == (status, headers, body)
    assert site.ran == (status not in (400, 403, 413) and case.method == "POST" and case.path != "/explain")
    if case.path == "/inference" and gateway[0] not in (400, 403):
        status, body, run = site.workflow(case)
        assert (status, body) == gateway
        assert run.succeeded is (status == 200)


@pytest.mark.parametrize("case", bad_cases(), ids=lambda case: case.name)
def test_gateway_and_function_refuse_alike(site: Site, case: Case) -> None:
    status, headers, body = site.function(case)
    assert (status, body) == site.gateway(case)
    assert site.waiting(case) == (status, headers, body)
