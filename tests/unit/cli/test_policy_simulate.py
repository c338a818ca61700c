"""`tierwise policy simulate` on an event log, as a person and as a program asks it."""

from __future__ import annotations

import json
import random
import time
from itertools import islice
from pathlib import Path

import pytest

from benchmarks.simulator.policies import STABLE, WORSE
from benchmarks.simulator.world import TRUTH, Log, contexts, table_of
from gateway.cli import main
from router_core.policy.parse import to_document
from tests.unit.events.records import writer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two policies, and the log of one of them."""
    made = tmp_path_factory.mktemp("simulate")
    for name, policy in (("old", STABLE["explore"]), ("new", WORSE["much worse"])):
        (made / f"{name}.json").write_text(json.dumps(to_document(policy)))
    log = Log(truth=TRUTH, chance=random.Random(1), clock_s=time.time() - 9_000.0)
    records = list(log.preface(STABLE["explore"]))
    for context in islice(contexts(1), 4_000):
        records += log.records(context, table_of(STABLE["explore"]))
    writer(made / "events").write(records)
    return made


def simulate(folder: Path, *more: str) -> int:
    files = ("--policy", str(folder / "new.json"), "--against", str(folder / "old.json"))
    return main(["policy", "simulate", *files, "--events", str(folder / "events"), *more])


def test_a_program_gets_one_document(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert simulate(folder, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["new"], told["old"], told["verdict"]) == ("frugal@1", "stable@1", "worse")
    assert told["constraint_violations"] == 0
    assert told["overall"]["decisions"] == 4_000
    gain = told["overall"]["metrics"]["quality"]["difference"]
    assert gain["sequence"][0] < gain["interval"][0] < gain["mean"] < gain["interval"][1] < 0.0
    assert set(told["overall"]["estimates"]) == {"dm", "ips", "snips", "dr"}
    assert told["overall"]["metrics"]["cost_usd"]["difference"]["mean"] < 0.0
    assert set(told["overall"]["latency_percentiles"]["new"]) == {"p50", "p95", "p99"}
    assert {one["group"] for one in told["groups"]} >= {"class simple", "tenant blue"}


def test_a_person_gets_tables(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert simulate(folder) == 0
    said = capsys.readouterr().out
    assert said.startswith("frugal@1 in place of stable@1: worse: quality falls by")
    assert "constraint violations: 0" in said
    for word in ("p95", "effective n", "device", "tenant acme"):
        assert word in said


def test_an_older_log_is_no_evidence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert simulate(folder, "--since", "60s", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["verdict"], told["overall"]["decisions"]) == ("not enough evidence", 0)
    assert told["overall"]["metrics"]["quality"]["difference"]["sequence"] == [None, None]


def test_no_log_is_no_evidence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert simulate(folder, "--events", str(folder / "nowhere"), "--json") == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == "not enough evidence"


@pytest.mark.parametrize("since", ["7", "d", "-1d", "0h", "99999d", "1.5d"])
def test_a_span_that_is_none_is_wrong_usage(folder: Path, since: str) -> None:
    with pytest.raises(SystemExit) as ended:
        simulate(folder, "--since", since)
    assert ended.value.code == 2
