"""kill -9 and a new start: what was written is read, what was torn is not, and the past can still be asked for."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from gateway.cli.replay import replay
from router_core.adapters.events.reader import Damage, read
from tests.e2e.lifecycle.house import ACME, OTHER, House, near_only, open_house, until
from tests.upstream.server import Fault, FaultServer

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("lifecycle")]
CLIENTS = 8


@pytest.fixture
def upstream() -> Iterator[FaultServer]:
    with FaultServer(length=10) as server:
        yield server


def test_after_kill_9_the_past_is_still_there_and_nothing_torn_is_read(
    tmp_path: Path, upstream: FaultServer
) -> None:
    with open_house(tmp_path, upstream) as house:
        with house.client() as client:
            before = [client.post("/inference", json=near_only()).json() for _ in range(10)]
        until(lambda: len(house.records("outcome")) == len(before))
        _kill_under_load(house)
    (log,) = house.events.glob("*.log")
    whole = _good(house)
    with log.open("ab") as file:
        # What a power cut leaves: the beginning of a record, here of one that is good when whole.
        file.write(log.read_bytes().splitlines()[-1][:-20])
    damage = Damage()
    assert list(read(house.events, damage)) == whole
    assert damage.frames == 1
    with open_house(tmp_path, upstream) as again:
        _still_told(again, before)
        with again.client() as client:
            assert client.post("/inference", json=near_only()).status_code == 200
        assert _good(again)[: len(whole)] == whole


def _kill_under_load(house: House) -> None:
    """Clients ask without a break while the process is killed: each then sees an error, never half an answer."""

    def ask_on(_: int) -> list[dict[str, Any]]:
        answers: list[dict[str, Any]] = []
        with house.client() as client:
            while True:
                try:
                    answers.append(client.post("/inference", json=near_only()).json())
                except httpx2.TransportError:
                    return answers

    with ThreadPoolExecutor(CLIENTS) as pool:
        asking = pool.map(ask_on, range(CLIENTS))
        count = len(house.upstream.requests)
        assert house.upstream.wait_until(lambda server: len(server.requests) > count + 5 * CLIENTS)
        house.gateway.process.kill()
        answers = [answer for answers in asking for answer in answers]
    assert all(answer["output"]["text"].endswith("w9") for answer in answers)


def _good(house: House) -> list[dict[str, Any]]:
    return list(read(house.events))


def _still_told(house: House, before: list[dict[str, Any]]) -> None:
    with house.client(ACME) as owner, house.client(OTHER) as stranger:
        for answer in before:
            request_id = answer["request_id"]
            stored = owner.get(f"/inference/{request_id}").json()
            assert (stored["status"], stored["output"]) == ("completed", None)
            for name in ("target", "tier", "scores", "rejected", "policy", "propensity", "class"):
                assert stored["routing"][name] == answer["routing"][name]
            assert (stored["usage"], stored["cost_usd"]) == (answer["usage"], answer["cost_usd"])
            assert stranger.get(f"/inference/{request_id}").status_code == 404
            found = replay(house.events, request_id)
            assert found is not None and found.same


def test_two_workers_share_the_work_and_one_that_is_killed_is_replaced(
    tmp_path: Path, upstream: FaultServer
) -> None:
    """Its clients see their streams break, the other worker's streams end whole, and service goes on."""
    with open_house(tmp_path, upstream, "--workers", "2") as house, house.client() as client:
        until(lambda: _survives(client) and len(_writers(house)) == 2)
        killed = _workers(house)[0]
        _kill_amid_streams(house, killed)
        until(lambda: len(_workers(house)) == 2 and killed.pid not in {one.pid for one in _workers(house)})
        until(lambda: _survives(client) and len(_writers(house)) == 3)
        served = [client.post("/inference", json=near_only()) for _ in range(20)]
        assert [reply.status_code for reply in served] == [200] * len(served)
        ids = {reply.headers["x-tierwise-request-id"] for reply in served}
        until(lambda: ids <= {record["request_id"] for record in house.records("outcome")})
        # Whichever worker is asked: the records are everybody's.
        assert {client.get(f"/inference/{each}").json()["status"] for each in ids} == {"completed"}


def _kill_amid_streams(house: House, worker: psutil.Process) -> None:
    upstream = house.upstream
    upstream.default = Fault(token_delay_s=0.05, length=40)
    with house.client() as client, ThreadPoolExecutor(CLIENTS) as pool:
        count = len(upstream.requests)
        running = [
            pool.submit(client.post, "/inference", json=near_only(stream=True)) for _ in range(CLIENTS)
        ]
        until(lambda: sum(one.tokens_sent > 3 for one in upstream.requests[count:]) == CLIENTS)
        worker.kill()
        ends = [future.exception() or future.result() for future in running]
    upstream.default = Fault()
    for end in ends:
        assert isinstance(end, httpx2.TransportError | httpx2.Response)
        assert isinstance(end, httpx2.TransportError) or "event: done\n" in end.text


def _survives(client: httpx2.Client) -> bool:
    """Whether a request is served; while a worker is being replaced, connections may break."""
    try:
        return client.post("/inference", json=near_only()).status_code == 200
    except httpx2.TransportError:
        return False


def _writers(house: House) -> set[str]:
    """The log files that hold decisions: one for each process that has served."""
    return {log.name for log in house.events.glob("*.log") if b'"kind":"decision"' in log.read_bytes()}


def _workers(house: House) -> list[psutil.Process]:
    children = psutil.Process(house.gateway.process.pid).children()
    return [child for child in children if child.status() != psutil.STATUS_ZOMBIE]
