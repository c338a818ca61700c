"""SIGTERM: what runs ends well, what comes is refused, what was done is recorded, and the status is 0."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from gateway.cli.replay import replay
from tests.e2e.lifecycle.house import NODE, PATIENCE_S, House, near_only, open_house, until
from tests.upstream.server import Fault, FaultServer

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("lifecycle")]
LENGTH = 40
FULL = " ".join(f"w{number}" for number in range(LENGTH))
CHAT = {"model": NODE, "messages": [{"role": "user", "content": "Tell me about trees."}]}
RUNNING = (
    ("/inference", near_only()),
    ("/inference", near_only(stream=True)),
    ("/v1/chat/completions", CHAT),
    ("/v1/chat/completions", {**CHAT, "stream": True}),
)


@pytest.fixture
def upstream() -> Iterator[FaultServer]:
    with FaultServer(length=LENGTH) as server:
        server.default = Fault(token_delay_s=0.05)
        yield server


def started(house: House, pool: ThreadPoolExecutor) -> list[Future[httpx2.Response]]:
    """All of RUNNING, each already at the target."""
    client = house.client()
    futures = [pool.submit(client.post, path, json=body) for path, body in RUNNING]
    assert house.upstream.wait_until(lambda server: len(server.requests) == len(RUNNING))
    return futures


def test_running_answers_end_whole_and_new_ones_are_refused(tmp_path: Path, upstream: FaultServer) -> None:
    with open_house(tmp_path, upstream) as house, ThreadPoolExecutor(len(RUNNING)) as pool:
        running = started(house, pool)
        house.gateway.process.send_signal(signal.SIGTERM)
        with house.client() as client:
            until(lambda: client.get("/health/readiness").status_code == 503)
            assert client.get("/health/liveness").status_code == 200
            refused = [client.post(path, json=body) for path, body in RUNNING]
        assert [reply.status_code for reply in refused] == [503] * len(RUNNING)
        assert all(int(reply.headers["retry-after"]) >= 1 for reply in refused)
        assert not any(future.done() for future in running)
        answers = [future.result() for future in running]
        assert house.gateway.process.wait(PATIENCE_S) == 0
    assert [answer.status_code for answer in answers] == [200] * len(RUNNING)
    assert answers[0].json()["output"]["text"] == FULL
    assert answers[1].text.count("event: delta") == LENGTH and "event: done\n" in answers[1].text
    assert answers[2].json()["choices"][0]["message"]["content"] == FULL
    assert answers[3].text.endswith("data: [DONE]\n\n") and "w39" in answers[3].text
    assert len(upstream.requests) == len(RUNNING)
    _recorded(house, answers, "completed")


Ends = list[BaseException | httpx2.Response]


@pytest.fixture
def cut_short(tmp_path: Path, upstream: FaultServer) -> tuple[House, Ends]:
    """How RUNNING ended when the gateway would not wait for them any longer."""
    upstream.default = Fault(token_delay_s=0.05, length=10_000)
    with open_house(tmp_path, upstream, drain_s=0.3) as house, ThreadPoolExecutor(len(RUNNING)) as pool:
        running = started(house, pool)
        house.gateway.process.send_signal(signal.SIGTERM)
        ends: Ends = [future.exception() or future.result() for future in running]
        assert house.gateway.process.wait(PATIENCE_S) == 0
    return house, ends


def test_streams_that_do_not_end_in_time_are_cut_so_that_clients_notice(
    cut_short: tuple[House, Ends],
) -> None:
    """The answers break off on the wire, targets are left alone, and every request is recorded as abandoned."""
    house, ends = cut_short
    assert all(isinstance(end, httpx2.TransportError) for end in (ends[1], ends[3]))
    assert house.upstream.wait_until(lambda server: all(one.closed_at for one in server.requests))
    outcomes = house.records("outcome")
    assert [outcome["status"] for outcome in outcomes] == ["cancelled"] * len(RUNNING)


def test_whole_answers_that_do_not_end_in_time_are_refused_in_our_words(
    cut_short: tuple[House, Ends],
) -> None:
    _, ends = cut_short
    for end in (ends[0], ends[2]):
        assert isinstance(end, httpx2.Response)
        assert end.status_code == 503
        assert end.headers["x-tierwise-request-id"]
        assert int(end.headers["retry-after"]) >= 1


def _recorded(house: House, answers: list[httpx2.Response], status: str) -> None:
    """Every answer's records are on the disk, and its decision can be made again from them."""
    outcomes = {record["request_id"]: record["status"] for record in house.records("outcome")}
    for answer in answers:
        request_id = answer.headers["x-tierwise-request-id"]
        assert outcomes[request_id] == status
        again = replay(house.events, request_id)
        assert again is not None and again.same
