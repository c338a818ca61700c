"""Agents in the background look at figures, and what they find is written down and changes nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agents.deliberation.asking import Look
from agents.deliberation.reviewing import Reviewer, asked
from agents.deliberation.tools import MAX_CHARS, History, bounded, tools
from router_core.errors import StoreError
from tests.fakes import FakeClock, FakeEvents
from tests.unit.agents.house import House
from tests.unit.deliberation.thinking import ALWAYS, SPECS, FakeThinker, deliberator, policy, weighing

AGENTS = ("resource", "cache", "monitor")
ON = {agent: ALWAYS for agent in AGENTS}
NAMES = tuple(spec.name for spec in SPECS)


async def looked(thinker: FakeThinker, rules: Any) -> tuple[Any, FakeEvents]:
    router = House().build()
    await router.look()
    thinks, events = deliberator(thinker), FakeEvents()
    seen = tools(router, {spec.name: spec for spec in SPECS})
    found = await Reviewer(thinks.asker, events, FakeClock()).review(rules, seen, NAMES)
    await thinks.close()
    return found, events


async def test_each_agent_that_is_on_finds_something_and_it_is_recorded() -> None:
    thinker = FakeThinker()
    found, events = await looked(thinker, policy(ON))
    assert [one.agent for one in found] == list(AGENTS)
    assert [record["agent"] for record in events.of("finding")] == list(AGENTS)
    assert not any(one.accepted for one in found)
    assert [question.role for question in thinker.asked] == ["lite", "micro", "lite"]
    facts = json.loads(thinker.asked[0].text.removeprefix("<data>\n").removesuffix("\n</data>"))
    assert [target["name"] for target in facts["targets"]] == sorted(NAMES)
    assert [look.name for look in thinker.asked[0].looks] == ["prices", "policy", "metrics"]


@pytest.mark.parametrize("rules", [policy({}), policy({"router": ALWAYS})])
async def test_off_looks_at_nothing(rules: Any) -> None:
    thinker = FakeThinker()
    assert (await looked(thinker, rules))[0] == ()
    assert thinker.asked == []


async def test_a_model_that_is_away_finds_nothing() -> None:
    found, events = await looked(FakeThinker(dict.fromkeys(AGENTS, StoreError("down"))), policy(ON))
    assert found == () and events.records == []


def test_what_a_tool_returns_is_bounded_and_says_so() -> None:
    text = bounded({"targets": [{"name": "x" * 50, "n": n} for n in range(500)], "label": "default@1"})
    assert len(text) <= MAX_CHARS
    assert json.loads(text)["shortened"] is True
    assert len(bounded({"one": "y" * 99_999})) <= MAX_CHARS


def test_history_is_the_tenants_own() -> None:
    history, decision = History(), weighing().decision
    for number in range(20):
        history.note("acme" if number % 2 else "globex", "chat", decision)
    history.note("acme", "classify", decision)
    assert len(history.similar("acme", "chat")) == 8
    assert history.similar("initech", "chat") == []
    assert "request_id" not in history.similar("acme", "chat")[0]


def test_a_question_with_looks_may_take_more_turns() -> None:
    look = Look(name="metrics", meaning="figures", text='{"cache":{}}')
    other = Look(name="prices", meaning="prices", text="{}")
    question = asked("cache", (look, other), NAMES)
    assert question.looks == (other,)
    assert question.turns == 3
