"""A real gateway over the local AWS: keys from Secrets Manager, decisions in DynamoDB, read back by another gateway."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gateway.composition.records import MAX_TENANTS, TENANTS_AT_ONCE, TableLookup
from gateway.http.ports import DecisionQuery
from router_core.adapters.dynamodb.decisions import DynamoDecisions
from router_core.adapters.dynamodb.lookup import DynamoLookup
from router_core.adapters.events.fan_out import FanOutEventSink
from router_core.errors import RequestError
from tests.localmoto import Clients, client, decisions_table, environment, state_table, unique
from tests.running import RunningGateway, running_gateway

ACME, OTHER = "key-of-acme-5512", "key-of-other-7731"


@pytest.fixture
def variables(aws: Clients, aws_endpoint: str) -> dict[str, str]:
    """Settings of a gateway over fresh tables, whose keys lie in one JSON secret."""
    secret = json.dumps({"acme": ACME, "other": OTHER})
    arn = aws("secretsmanager").create_secret(Name=unique("keys"), SecretString=secret)["ARN"]
    keys = [{"id": name, "tenant": name, "secret": f"aws-secret:{arn}#{name}"} for name in ("acme", "other")]
    return {
        **environment(aws_endpoint),
        "TIERWISE_STORES__DECISIONS": decisions_table(aws("dynamodb")),
        "TIERWISE_STORES__STATE": state_table(aws("dynamodb")),
        "TIERWISE_KEYS": json.dumps(keys),
    }


@contextmanager
def gateway(folder: Path, variables: Mapping[str, str]) -> Iterator[RunningGateway]:
    folder.mkdir()
    with running_gateway("--sandbox", folder=folder, environment=variables) as running:
        yield running


def of(running: RunningGateway, key: str) -> httpx2.Client:
    return httpx2.Client(
        base_url=running.url, headers={"authorization": f"Bearer {key}"}, timeout=30, trust_env=False
    )


@pytest.mark.server
def test_what_one_gateway_decides_another_one_knows(
    aws: Clients, variables: dict[str, str], tmp_path: Path
) -> None:
    with gateway(tmp_path / "first", variables) as first, of(first, ACME) as acme:
        answer = (
            acme.post("/inference", json={"input": "turn off the kitchen lights"}).raise_for_status().json()
        )
        path = f"/inference/{answer['request_id']}"
        acme.post(f"{path}/feedback", json={"score": 0.75}).raise_for_status()
        output = first.stderr
    items = aws("dynamodb").scan(TableName=variables["TIERWISE_STORES__DECISIONS"])["Items"]
    kinds = sorted(item["kind"]["S"].split("-")[0] for item in items)
    assert kinds == ["decision", "outcome", "policy", "quality#feedback", "state"]
    assert ACME not in output.read_text() + (tmp_path / "first" / "stdout.txt").read_text()

    with gateway(tmp_path / "second", variables) as second:
        with of(second, ACME) as acme, of(second, OTHER) as other:
            stored = acme.get(path).raise_for_status().json()
            assert other.get(path).status_code == 404
            assert acme.get("/inference/absent").status_code == 404
        with of(second, second.key) as admin:
            listed = admin.get("/admin/decisions").raise_for_status().json()["decisions"]
            narrowed = admin.get("/admin/decisions?tenant=other").raise_for_status().json()["decisions"]
    assert [stored["status"], stored["routing"]["target"]] == ["completed", answer["routing"]["target"]]
    assert stored["routing"]["scores"] == pytest.approx(answer["routing"]["scores"], abs=1e-3)
    assert [record["request_id"] for record in listed] == [answer["request_id"]]
    assert narrowed == []


@pytest.mark.server
def test_a_wrong_secret_stops_the_start_and_is_named(variables: dict[str, str], tmp_path: Path) -> None:
    keys = json.loads(variables["TIERWISE_KEYS"])
    keys[1]["secret"] = keys[1]["secret"].replace("#other", "#absent")
    wrong = {**variables, "TIERWISE_KEYS": json.dumps(keys)}
    with pytest.raises(AssertionError, match=r"keys\.other\.secret.*no text under this key"):
        gateway(tmp_path / "wrong", wrong).__enter__()


class Log:
    """EventLookup that answers for itself."""

    async def find(self, request_id: str) -> Mapping[str, Any] | None:
        return {"decision": {"request_id": request_id, "from": "log"}, "outcome": None}

    async def recent(self, query: DecisionQuery) -> Sequence[Mapping[str, Any]]:
        return [{"from": "log"}]


def decided(request_id: str, tenant: str, time_s: float) -> dict[str, Any]:
    return {
        "kind": "decision", "request_id": request_id, "tenant": tenant, "time": time_s, "class": "simple",
        "chosen": "mec/a" if time_s % 2 else "mec/b", "tier": "mec",
    }  # fmt: skip


async def test_decisions_of_all_tenants_are_merged_newest_first(aws: Clients) -> None:
    dynamodb = aws("dynamodb")
    table = decisions_table(dynamodb)
    sink, lookup = DynamoDecisions(dynamodb, table), DynamoLookup(dynamodb, table)
    tenants = [f"t{n}" for n in range(TENANTS_AT_ONCE + 3)]
    for n in range(60):
        sink.emit(decided(f"r{n}", tenants[n % len(tenants)], 4e9 + n))
    looked = TableLookup(lookup, sink, tenants, Log())
    found = await looked.find("r59")  # still on its way, perhaps
    assert found is not None
    assert found["outcome"] is None
    assert [r["request_id"] for r in await looked.recent(DecisionQuery(limit=4))] == [
        "r59",
        "r58",
        "r57",
        "r56",
    ]
    odd = await looked.recent(DecisionQuery(limit=2, target="mec/a", tier="mec", request_class="simple"))
    assert [r["request_id"] for r in odd] == ["r59", "r57"]
    (only,) = await looked.recent(DecisionQuery(limit=1, tenant="t3"))
    assert only["tenant"] == "t3"
    many = TableLookup(lookup, sink, [str(n) for n in range(MAX_TENANTS + 1)], Log())
    with pytest.raises(RequestError, match="name a tenant"):
        await many.recent(DecisionQuery())
    await sink.close()
    await lookup.close()


async def test_while_the_table_cannot_be_reached_the_log_answers_and_nothing_fails() -> None:
    nowhere = client("http://127.0.0.1:9", "dynamodb")
    sink, lookup = DynamoDecisions(nowhere, "table", drain_s=0.2), DynamoLookup(nowhere, "table")
    looked = TableLookup(lookup, sink, ["acme"], Log())
    both = FanOutEventSink(DynamoDecisions(nowhere, "table", drain_s=0.1), sink)
    both.emit(decided("r1", "acme", 1.8e9))
    assert await looked.find("r1") == {"decision": {"request_id": "r1", "from": "log"}, "outcome": None}
    assert await looked.recent(DecisionQuery()) == [{"from": "log"}]
    await both.close()
    assert both.dropped == 2
    await lookup.close()
    nowhere.close()


def test_the_doctor_says_which_stores_can_be_read(variables: dict[str, str], tmp_path: Path) -> None:
    wrong = {
        **os.environ,
        **variables,
        "TIERWISE_STORES__STATE": "absent",
        "TIERWISE_STORES__MODELS": "absent",
    }
    command = [sys.executable, "-m", "gateway", "doctor", "--sandbox", "--json"]
    done = subprocess.run(
        command, env=wrong, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    report = {line["what"]: line for line in json.loads(done.stdout)["findings"]}
    assert report["stores.decisions"]["verdict"] == "ok"
    for what in ("stores.state", "stores.models"):
        assert report[what]["verdict"] == "fail"
        assert "does not exist" in report[what]["detail"]
    assert done.returncode == 1
    assert ACME not in done.stdout + done.stderr
