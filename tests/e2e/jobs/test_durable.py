"""What was accepted with 202 is answered, whatever dies in between."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.jobs.house import accept, ended, job_house, rows
from tests.e2e.lifecycle.house import OTHER, until
from tests.upstream.server import Fault, FaultServer

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("jobs")]
SECRET = "canary-of-the-orchard-3141"


@pytest.fixture
def upstream() -> Iterator[FaultServer]:
    with FaultServer(length=10) as server:
        yield server


def test_accepted_work_outlives_kill_9_and_is_answered_after_the_next_start(
    tmp_path: Path, upstream: FaultServer
) -> None:
    upstream.default = Fault(token_delay_s=0.5, length=10)
    with job_house(tmp_path, upstream) as house, house.client() as client:
        places = [accept(client) for _ in range(12)]
        assert upstream.wait_until(lambda server: len(server.requests) >= 8)
        house.gateway.process.kill()
        house.gateway.process.wait()
    upstream.default = Fault()
    with job_house(tmp_path, upstream) as house, house.client() as client:
        answers = ended(client, places)
        with house.client(OTHER) as stranger:
            assert {stranger.get(place).status_code for place in places} == {404}
    assert {answer["stage"] for answer in answers} == {"COMPLETED"}
    assert all(answer["output"]["text"].endswith("w9") for answer in answers)
    # Eight ran when the process died; every run that was begun is counted.
    assert sorted(answer["runs"] for answer in answers) == [1] * 4 + [2] * 8
    assert rows(tmp_path, "SELECT count(*) FROM job_messages") == [(0,)]


def test_a_drain_ends_what_runs_and_leaves_what_waits(tmp_path: Path, upstream: FaultServer) -> None:
    upstream.default = Fault(token_delay_s=0.1, length=10)
    with job_house(tmp_path, upstream) as house, house.client() as client:
        places = [accept(client) for _ in range(10)]
        assert upstream.wait_until(lambda server: len(server.requests) >= 8)
        house.gateway.process.terminate()
        assert house.gateway.process.wait(15.0) == 0
    stages = sorted(rows(tmp_path, "SELECT stage, runs FROM request_history"))
    assert stages == [("COMPLETED", 1)] * 8 + [("CREATED", 0)] * 2
    with job_house(tmp_path, upstream) as house, house.client() as client:
        assert {answer["stage"] for answer in ended(client, places)} == {"COMPLETED"}


def test_two_workers_share_one_file(tmp_path: Path, upstream: FaultServer) -> None:
    """Whoever accepted it: each may run it, each knows it, and each is run once."""
    with job_house(tmp_path, upstream, "--workers", "2") as house, house.client() as client:
        places = [accept(client) for _ in range(60)]
        answers = ended(client, places)
    assert {(answer["stage"], answer["runs"]) for answer in answers} == {("COMPLETED", 1)}
    assert len(upstream.requests) == len(places)


def test_what_callers_wrote_is_sealed_on_disk_and_gone_when_it_is_over(
    tmp_path: Path, upstream: FaultServer
) -> None:
    upstream.default = Fault(token_delay_s=0.3, length=5)
    with job_house(tmp_path, upstream) as house, house.client() as client:
        levels = ("public", "restricted")
        places = [accept(client, input=SECRET, privacy={"level": level}) for level in levels]
        until(lambda: rows(tmp_path, "SELECT count(*) FROM request_history WHERE request NOT NULL") == [(2,)])
        assert sightings(tmp_path, SECRET) == []
        ended(client, places)
        assert rows(tmp_path, "SELECT count(*) FROM request_history WHERE request NOT NULL") == [(0,)]
        assert rows(tmp_path, "SELECT count(*) FROM request_history WHERE answer NOT NULL") == [(2,)]
    assert upstream.requests[0].body.count(SECRET.encode()) == 1, "the test would see it where it is"
    # The words of the answer, too.
    assert sightings(tmp_path, SECRET) == sightings(tmp_path, "w0 w1") == []


def sightings(folder: Path, text: str) -> list[str]:
    """Files that hold the text in the clear."""
    time.sleep(0.2)  # what is written behind the answer's back
    return [str(file) for file in folder.rglob("*") if file.is_file() and text.encode() in file.read_bytes()]
