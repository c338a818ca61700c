"""What can be done about a request after, or instead of, its answer: repeat it, judge it, report on it, fetch it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from tests.e2e.lifecycle.house import ACME, OTHER, House, near_only, open_house, until
from tests.upstream.server import Fault, FaultServer

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("lifecycle-afterwards")]
COMMENT = "heron-31 was not what I asked for"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with (
        FaultServer(length=10) as upstream,
        open_house(tmp_path_factory.mktemp("afterwards"), upstream) as opened,
    ):
        yield opened


@pytest.fixture
def client(house: House) -> Iterator[httpx2.Client]:
    with house.client(ACME) as opened:
        yield opened


@pytest.fixture
def stranger(house: House) -> Iterator[httpx2.Client]:
    with house.client(OTHER) as opened:
        yield opened


def of(house: House, kind: str, request_id: str) -> list[dict[str, Any]]:
    return [record for record in house.records(kind) if record["request_id"] == request_id]


def test_feedback_becomes_a_quality_record_without_its_words(
    house: House, client: httpx2.Client, stranger: httpx2.Client
) -> None:
    answer = client.post("/inference", json=near_only()).json()
    path = f"/inference/{answer['request_id']}/feedback"
    assert stranger.post(path, json={"score": 0.0}).status_code == 404
    assert client.post("/inference/req_unknown/feedback", json={"score": 1}).status_code == 404
    assert client.post(path, json={"score": 1.5}).status_code == 400
    assert client.post(path, json={"score": 0.25, "comment": COMMENT}).status_code == 204
    (record,) = until(lambda: of(house, "quality", answer["request_id"]))
    assert (record["source"], record["score"], record["target"]) == (
        "feedback",
        0.25,
        answer["routing"]["target"],
    )
    assert record["comment_length"] == len(COMMENT)
    assert not any(COMMENT.encode() in log.read_bytes() for log in house.events.glob("*.log"))


def test_a_plan_is_made_and_its_outcome_taken_once(
    house: House, client: httpx2.Client, stranger: httpx2.Client
) -> None:
    device = {"id": "pixel-9", "class": "phone", "models": ["intent-v1"], "executes": True}
    body = {"input": "set a timer for 5 minutes", "device": device, "preferences": {"tiers": ["device"]}}
    answer = client.post("/inference", json=body).json()
    assert (answer["status"], answer["plan"]["model"], answer["output"]) == (
        "execute_on_device",
        "intent-v1",
        None,
    )
    path = f"/inference/{answer['request_id']}/outcome"
    report = {"status": "completed", "output_tokens": 7, "latency_ms": 12.5, "quality": 1.0}
    assert stranger.post(path, json=report).status_code == 404
    assert [client.post(path, json=report).status_code for _ in range(3)] == [204] * 3
    until(lambda: len(of(house, "outcome", answer["request_id"])) == 2)
    planned, reported = of(house, "outcome", answer["request_id"])
    assert (planned["status"], reported["status"]) == ("execute_on_device", "reported_by_device")
    assert reported["usage"]["completion_tokens"] == 7
    other = client.post("/inference", json=near_only()).json()
    assert client.post(f"/inference/{other['request_id']}/outcome", json=report).status_code == 409


@pytest.mark.parametrize("stream", [False, True])
def test_the_same_key_gives_the_same_answer_and_one_execution(
    house: House, client: httpx2.Client, stranger: httpx2.Client, stream: bool
) -> None:
    key = {"idempotency-key": f"once-{stream}"}
    before = len(house.upstream.requests)
    with ThreadPoolExecutor(6) as pool:
        answers = list(
            pool.map(
                lambda _: client.post("/inference", json=near_only(stream=stream), headers=key), range(6)
            )
        )
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.headers["x-tierwise-request-id"] for answer in answers}) == 1
    assert sum(answer.headers.get("idempotency-replayed") == "true" for answer in answers) == 5
    texts = {_text(answer.text) if stream else answer.json()["output"]["text"] for answer in answers}
    assert texts == {" ".join(f"w{number}" for number in range(10))}
    assert len(house.upstream.requests) == before + 1
    assert client.post("/inference", json=near_only(stream=stream, user="u"), headers=key).status_code == 409
    assert stranger.post("/inference", json=near_only(stream=stream), headers=key).status_code == 200
    assert len(house.upstream.requests) == before + 2


def _text(page: str) -> str:
    lines = [line.removeprefix("data: ") for line in page.split("\n") if line.startswith('data: {"text":')]
    return "".join(httpx2.Response(200, text=line).json()["text"] for line in lines)


def test_a_failure_is_not_kept_for_its_key(house: House, client: httpx2.Client) -> None:
    key = {"idempotency-key": "second-try"}
    house.upstream.next(Fault(kind="status", status=500))
    assert client.post("/inference", json=near_only(), headers=key).status_code == 502
    assert client.post("/inference", json=near_only(), headers=key).status_code == 200


def test_asynchronous_work_is_fetched_by_its_id(
    house: House, client: httpx2.Client, stranger: httpx2.Client
) -> None:
    accepted = client.post("/inference", json=near_only(mode="async"))
    assert (accepted.status_code, accepted.json()["status"], accepted.json()["stage"]) == (
        202,
        "queued",
        "CREATED",
    )
    path = accepted.headers["location"]
    assert path == f"/inference/{accepted.json()['request_id']}"
    done = until(lambda: _done(client, path))
    assert (done["status"], done["stage"], done["output"]["text"][-2:]) == ("completed", "COMPLETED", "w9")
    assert stranger.get(path).status_code == 404


def test_asynchronous_work_that_fails_says_why(house: House, client: httpx2.Client) -> None:
    house.upstream.next(Fault(kind="status", status=500))
    path = client.post("/inference", json=near_only(mode="async")).headers["location"]
    done = until(lambda: _done(client, path))
    assert (done["status"], done["stage"], done["problem"]["status"]) == ("failed", "FAILED", 502)


def _done(client: httpx2.Client, path: str) -> dict[str, Any] | None:
    answer: dict[str, Any] = client.get(path).json()
    return answer if answer["stage"] in ("COMPLETED", "FAILED") else None
