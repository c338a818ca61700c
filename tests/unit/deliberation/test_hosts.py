"""Functions think twice as the gateway does: the same advice, followed, carried to the stages after, and recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agents.deliberation.asking import Question
from agents.deliberation.deliberator import Deliberator, Home
from gateway.hosts.aws_lambda import Host
from gateway.hosts.composition import CLOCK, Parts
from router_core.adapters.memory.ledger import MemoryLedger
from router_core.deployment import DELIBERATES, STAGE
from router_core.errors import ConfigurationError
from router_core.ports import Clock, Ledger
from tests.parity.cases import TARGETS, Case
from tests.parity.site import House, SharedParts, environment
from tests.parity.test_parity import request_of
from tests.unit.deliberation.thinking import ALWAYS, FakeThinker, right
from tests.unit.hosts.house import asked, run
from tests.upstream.server import FaultServer

HARD = "Prove step by step that there are infinitely many primes, compare three proofs, and explain why each one works."
THINKS = {"router": {**ALWAYS, "budget_ms": 5000.0}, "safety": {**ALWAYS, "budget_ms": 5000.0}}


def prefers_another(question: Question) -> dict[str, Any]:
    """The last target by name, and of every text that it is suspicious."""
    said = right(question)
    return said if question.agent == "router" else {**said, "verdict": "suspicious"}


class ThinkingParts(SharedParts):
    """Parts whose models are a stand-in; the ledger is the environment's."""

    thinker = FakeThinker({"router": prefers_another, "safety": prefers_another})

    async def thinking(self, ledger: Ledger | None, clock: Clock) -> Deliberator | None:
        specs = {spec.name: spec for spec in self.specs}
        return Deliberator(self.thinker, MemoryLedger(), clock, Home(groups=("us", "eu"), specs=specs))


class ThinkingHouse(House):
    """An environment in which functions may think."""

    def host(self, stage: str) -> Host:
        if stage not in self._hosts:
            environ = {**self.environ, STAGE: stage}
            self._hosts[stage] = Host(environ, ThinkingParts(environ, self))
        return self._hosts[stage]


@pytest.fixture
def house(tmp_path: Path) -> Any:
    with FaultServer(length=6) as server:
        environ = environment(dict.fromkeys(TARGETS, server.url), tmp_path)
        file = Path(environ["TIERWISE_POLICY__FILE"])
        patient = {"limits": {"deadline_ms": 60_000}, "deliberation": THINKS}
        file.write_text(json.dumps({**json.loads(file.read_text()), **patient}))
        made = ThinkingHouse(environ)
        yield made
        made.close()


def test_the_stages_follow_advice_and_record_it(house: House) -> None:
    done = run(house, {"request": request_of(Case(name="x", body={"input": HARD}))})
    assert done.succeeded
    decision = done.payload["decision"]
    assert decision["decided_by"] == "deliberated"
    assert done.payload["context"]["features"].get("guard", 0.0) == 0.0
    assert decision["features"]["guard"] == 0.5
    (record,) = house.events.of("decision")
    assert [one["agent"] for one in record["model_answers"]] == ["safety", "router"]
    assert (record["chosen"], record["features"]["guard"]) == (decision["target"], 0.5)


def test_one_function_decides_as_the_stages_do(house: House) -> None:
    staged = run(house, {"request": request_of(Case(name="x", body={"input": HARD}))}).payload["decision"]
    status, body, _ = asked(house, Case(name="x", path="/inference", body={"input": HARD}))
    assert status == 200
    assert (body["routing"]["target"], body["routing"]["decided_by"]) == (staged["target"], "deliberated")


async def test_nothing_thinks_where_no_variable_says_where() -> None:
    parts = Parts({STAGE: "router", "TIERWISE_STORES__STATE": "state"})
    assert await parts.ledger() is None
    assert await parts.thinking(None, CLOCK) is None


async def test_functions_without_a_shared_ledger_may_not_think() -> None:
    parts = Parts({STAGE: "router", DELIBERATES: "us-east-1"})
    with pytest.raises(ConfigurationError, match="shared ledger"):
        await parts.thinking(await parts.ledger(), CLOCK)


async def test_with_a_ledger_they_think_and_load_no_sdk_for_it() -> None:
    parts = Parts({STAGE: "router", DELIBERATES: "us-east-1"})
    made = await parts.thinking(MemoryLedger(), CLOCK)
    assert made is not None and "us" in made.home.groups and made.home.share == 1.0
    await parts.close()
