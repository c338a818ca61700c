"""Past requests from the decisions table decide like those of a log, and a promotion from any machine is weighed by them."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from benchmarks.simulator.policies import STABLE, WORSE
from benchmarks.simulator.world import TRUTH, Log, contexts, table_of
from gateway.cli import main
from gateway.cli.policy.evidence import fetch
from router_core.adapters.dynamodb.decisions import DynamoDecisions
from router_core.adapters.dynamodb.evidence import DynamoEvidence
from router_core.deployment import policy_parameter, rollout_parameter, settings_prefix
from router_core.errors import NotFoundError
from router_core.policy.parse import minified, to_document
from tests.localmoto import Clients, decisions_table, environment, unique
from tests.unit.events.records import writer

ENV = "staging"
DECISIONS = 150
TENANTS = ("--tenant", "acme", "--tenant", "blue", "--tenant", "corp")
OLD, NEW = STABLE["explore"], WORSE["much worse"]
WHY = ("--why", "it is cheaper", "--by", "ann", "--yes")


def past() -> list[Mapping[str, Any]]:
    log = Log(truth=TRUTH, chance=random.Random(1), clock_s=time.time() - 9_000.0)
    records = list(log.preface(OLD))
    for context in islice(contexts(1), DECISIONS):
        records += log.records(context, table_of(OLD))
    return records


@pytest.fixture(scope="module")
def table(aws: Clients) -> str:
    """What gateways wrote, larger bodies of snapshots and policies included."""
    name = decisions_table(aws("dynamodb"))
    sink = DynamoDecisions(aws("dynamodb"), name)
    for record in past():
        sink.emit(record)
    assert sink.flush(60)
    asyncio.run(sink.close())
    assert sink.dropped == 0
    return name


@pytest.fixture
def folder(tmp_path: Path, aws_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An operator's machine: two policies, no log, and a way to AWS."""
    for name, value in environment(aws_endpoint).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    for name, policy in (("old", OLD), ("new", NEW)):
        (tmp_path / f"{name}.json").write_bytes(minified(to_document(policy)))
    return tmp_path


def simulate(capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, Any]:
    files = ("--policy", "new.json", "--against", "old.json")
    assert main(["policy", "simulate", *files, "--json", *more]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def test_the_table_says_what_a_log_says(
    table: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    writer(folder / "events").write(past())
    from_log = simulate(capsys, "--events", "events")
    monkeypatch.setenv("TIERWISE_STORES__DECISIONS", table)
    from_table = simulate(capsys, *TENANTS)
    assert from_table["overall"]["decisions"] == DECISIONS
    for of in ("verdict", "constraint_violations", "left_out"):
        assert from_table[of] == from_log[of]
    one, other = (told["overall"]["metrics"]["quality"] for told in (from_table, from_log))
    assert one["new"]["mean"] == pytest.approx(other["new"]["mean"], abs=1e-9)
    assert from_table["overall"]["tiers"] == from_log["overall"]["tiers"]
    assert simulate(capsys, "--tenant", "blue")["overall"]["decisions"] < DECISIONS / 2
    assert simulate(capsys, *TENANTS, "--since", "60s")["overall"]["decisions"] == 0


def test_a_bound_keeps_the_newest_and_what_belongs_to_them(
    aws: Clients, table: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (tmp_path / "records").open("w+b") as file:
        fetch(DynamoEvidence(aws("dynamodb"), table), ("acme", "blue", "corp"), 0.0, file, most=50)
        file.seek(0)
        records = [json.loads(line) for line in file]
    decisions = [one for one in records if one["kind"] == "decision"]
    newest = [one for one in past() if one["kind"] == "decision"][-50:]
    assert [one["request_id"] for one in decisions] == [one["request_id"] for one in newest]
    assert [one["kind"] for one in records[:2]] == ["policy", "state"]
    ids = {one["request_id"] for one in decisions}
    assert {one["request_id"] for one in records if one["kind"] == "outcome"} == ids
    assert "the newest 50 decisions" in capsys.readouterr().err


def test_a_table_that_is_not_there(aws: Clients, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotFoundError, match="there is no table nowhere"):
        list(DynamoEvidence(aws("dynamodb"), "nowhere").decisions("acme", 0.0))
    monkeypatch.setenv("TIERWISE_STORES__DECISIONS", unique("gone"))
    assert main(["policy", "simulate", "--policy", "new.json", "--against", "old.json", *TENANTS]) == 1


@pytest.fixture
def deployed(aws: Clients, table: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An environment whose keys stand in Parameter Store, where a gateway would find them."""
    ssm = aws("ssm")
    keys = [{"id": one, "tenant": one, "secret": "env:NONE"} for one in ("acme", "blue", "corp")]
    named = f"{settings_prefix(ENV)}/keys"
    ssm.put_parameter(Name=named, Value=json.dumps(keys), Type="String")
    monkeypatch.setenv("TIERWISE_STORES__DECISIONS", table)
    yield ssm
    ssm.delete_parameters(Names=[policy_parameter(ENV), rollout_parameter(ENV), named])


def test_a_worse_canary_is_refused_from_an_operators_machine_unless_forced(
    deployed: Any, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("old.json", "new.json"):
        assert main(["policy", "push", name, "--env", ENV, *WHY]) == 0
    capsys.readouterr()
    assert main(["policy", "simulate", "--policy", "new.json", "--env", ENV, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["old"], told["overall"]["decisions"]) == (OLD.label, DECISIONS)
    assert main(["policy", "promote", "--env", ENV, *WHY]) == 1
    said = capsys.readouterr().err
    assert "worse" in said or "not enough evidence" in said
    assert "--force promotes all the same" in said
    assert main(["policy", "promote", "--env", ENV, "--force", "--json", *WHY]) == 0
    change = json.loads(capsys.readouterr().out)
    assert change["why"].startswith("forced (")


def test_a_table_without_decisions_is_no_reason_to_pass(
    aws: Clients,
    deployed: Any,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TIERWISE_STORES__DECISIONS", name := decisions_table(aws("dynamodb")))
    for file in ("old.json", "new.json"):
        assert main(["policy", "push", file, "--env", ENV, *WHY]) == 0
    assert main(["policy", "promote", "--env", ENV, *WHY]) == 1
    assert f"the table {name} holds no decision of that time" in capsys.readouterr().err
