"""A caller's own key reaches its provider and nobody else: it is looked for in everything that is written or said."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.e2e.byok.house import CANARY, HEADER, accepted, asked, byok_house, key_of, queue, sightings
from tests.e2e.jobs.house import ended, rows
from tests.e2e.lifecycle.house import House, until
from tests.otlp import otlp_receiver
from tests.upstream.server import Fault, FaultServer

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("jobs")]
TARGETS = ("byok/open", "byok/gem")
KEY = {HEADER: CANARY}
HOOKED = {
    "TIERWISE_JOBS__WEBHOOKS": json.dumps([{"id": "hook", "tenant": "acme", "secret": "env:HOOK"}]),
    "TIERWISE_JOBS__WEBHOOK_NETWORKS": '["127.0.0.0/8"]',
    "HOOK": "secret-of-the-hook-0003",
}


@pytest.fixture
def upstream() -> Iterator[FaultServer]:
    with FaultServer(length=10) as server:
        yield server


def spoken(client: httpx2.Client, house: House) -> list[str]:
    """What the gateway says to callers and operators."""
    admin = {"authorization": f"Bearer {house.gateway.key}"}
    pages = ("/metrics", "/admin/targets", "/admin/decisions?limit=50", "/v1/models")
    return [client.get(page, headers=admin).text for page in pages]


def test_the_key_reaches_its_provider_and_is_nowhere_else(tmp_path: Path, upstream: FaultServer) -> None:
    said: list[str] = []
    with otlp_receiver() as traces:
        environment = {"TIERWISE_TRACING__OTLP": traces.url, **HOOKED}
        with byok_house(tmp_path, upstream, environment=environment) as house, house.client() as client:
            for target in TARGETS:
                said += every_way(client, target)
            upstream.next(*(Fault(kind="status", status=status) for status in (401, 429, 500, 400)))
            said += [client.post("/inference", json=asked(TARGETS[0]), headers=KEY).text for _ in range(4)]
            hook = {"url": f"{upstream.url}/hook", "secret_ref": "hook"}
            places = [accepted(client, target, webhook=hook) for target in TARGETS]
            said += [json.dumps(one) for one in ended(client, places)]
            assert upstream.wait_until(lambda server: len(hooks(server)) == 2, 15.0)
            said += spoken(client, house)
            traces.wait(lambda spans: any(span.name.startswith("chat") for span in spans))
        said.append(str(traces.spans))
    said += [f"{one.headers} {one.body!r}" for one in hooks(upstream)]
    calls = [one for one in upstream.requests if one.path != "/hook"]
    assert {key_of(one) for one in calls} == {CANARY}, "each call was made with it"
    assert sightings(tmp_path, *said) == []
    assert sightings(tmp_path, str(calls[0].headers)) != [], "it would be seen where it is"


def hooks(server: FaultServer) -> list[Any]:
    return [one for one in server.requests if one.path == "/hook"]


def every_way(client: httpx2.Client, target: str) -> list[str]:
    """Whole, streamed and under `/v1`, explained, with and without what is needed."""
    whole = client.post("/inference", json=asked(target), headers=KEY)
    assert (whole.status_code, whole.json()["output"]["text"][-2:]) == (200, "w9"), whole.text
    assert whole.json()["routing"]["tier"] == "cloud"
    stream = client.post("/inference", json=asked(target, stream=True), headers=KEY)
    assert "event: done" in stream.text
    chat = {"model": target, "messages": [{"role": "user", "content": "Trees?"}]}
    openai = client.post("/v1/chat/completions", json=chat, headers=KEY)
    assert openai.json()["choices"][0]["message"]["content"].endswith("w9")
    explained = client.post("/explain", json=asked(target), headers=KEY)
    assert explained.status_code == 200
    missing = client.post("/inference", json=asked(target))
    assert (missing.status_code, missing.json()["field"]) == (400, "$.preferences.target")
    twice = client.post("/inference", json=asked(target), headers=[(HEADER, CANARY), (HEADER, "x")])
    assert twice.status_code == 400
    restricted = client.post("/inference", json=asked(target, privacy={"level": "restricted"}), headers=KEY)
    assert restricted.status_code == 422
    elsewhere = client.post("/inference", json=asked(target, privacy={"residency": "eu"}), headers=KEY)
    assert elsewhere.status_code == 422
    return [one.text for one in (whole, stream, openai, explained, missing, twice, restricted, elsewhere)]


def test_a_killed_worker_leaves_poison_whose_envelope_opens_again_while_the_key_lives(
    tmp_path: Path, upstream: FaultServer
) -> None:
    places = killed_in_the_middle(tmp_path, upstream)
    assert sightings(tmp_path) == []
    upstream.begin()
    with byok_house(tmp_path, upstream) as house, house.client() as client:
        assert {answer["stage"] for answer in ended(client, places)} == {"FAILED"}
        peeked = queue(tmp_path, "peek", "--state", "dead", "--json")
        assert len(json.loads(peeked)["messages"]) == 2
        assert rows(tmp_path, "SELECT count(*) FROM job_messages WHERE envelope NOT NULL") == [(2,)]
        redriven = queue(tmp_path, "redrive")
        answers = [until(partial(completed, client, place)) for place in places]
    assert {answer["output"]["text"][-2:] for answer in answers} == {"w9"}
    assert rows(tmp_path, "SELECT count(*) FROM job_messages") == [(0,)]
    assert sightings(tmp_path, peeked, redriven, *map(json.dumps, answers)) == []
    assert {key_of(one) for one in upstream.requests} == {CANARY}


def test_redriven_after_the_key_has_expired_it_fails_and_says_so(
    tmp_path: Path, upstream: FaultServer
) -> None:
    ttl_s = 1.0
    places = killed_in_the_middle(tmp_path, upstream, ttl_s=ttl_s)
    before = len(upstream.requests)
    upstream.begin()
    time.sleep(ttl_s)  # the key's own time, which no event tells
    with byok_house(tmp_path, upstream, ttl_s=ttl_s) as house, house.client() as client:
        ended(client, places)
        until(lambda: rows(tmp_path, "SELECT count(*) FROM job_messages WHERE envelope NOT NULL") == [(0,)])
        queue(tmp_path, "redrive")
        until(lambda: rows(tmp_path, "SELECT count(*) FROM job_messages") == [(0,)])
        answers = ended(client, places)
    assert {(one["stage"], one["problem"]["type"]) for one in answers} == {
        ("FAILED", "urn:tierwise:problem:provider_key_expired")
    }
    assert {one["problem"]["status"] for one in answers} == {403}
    assert len(upstream.requests) == before, "nobody was asked without a key"
    assert sightings(tmp_path, *map(json.dumps, answers)) == []


def killed_in_the_middle(folder: Path, upstream: FaultServer, *, ttl_s: float = 600.0) -> list[str]:
    """Two requests whose only try died with the process that ran it."""
    upstream.default = Fault(kind="half_open")
    with byok_house(folder, upstream, ttl_s=ttl_s) as house, house.client() as client:
        places = [accepted(client, target) for target in TARGETS]
        assert upstream.wait_until(lambda server: len(server.requests) == 2)
        assert sightings(folder) == []
        house.gateway.process.kill()
        house.gateway.process.wait()
    return places


def completed(client: httpx2.Client, place: str) -> dict[str, Any] | None:
    answer: dict[str, Any] = client.get(place).json()
    return answer if answer["stage"] == "COMPLETED" else None
