"""The policy's rules: what may be written, when they fire, and which of several decides."""

from __future__ import annotations

from typing import Any

import pytest

from agents.guarding.rules import fired, marked, needs_others, refuse
from router_core.errors import ConfigurationError, GuardBlockedError, GuardUnavailableError
from router_core.payload import error_from_json, error_to_json
from router_core.policy.guarding import GuardPolicy, GuardRule
from router_core.policy.parse import from_document, to_document
from router_core.policy.schema import json_schema
from tests.unit.deliberation.thinking import weighing

WRONG = [
    ({"name": "x"}, "rules[0].on is missing"),
    ({"on": "pii"}, "rules[0].name is missing"),
    ({"name": "Not This", "on": "pii"}, "rules[0].name"),
    ({"name": "x", "on": "pii", "kinds": ["nonsense"]}, "kinds"),
    ({"name": "x", "on": "pii", "action": "force"}, "force and tiers"),
    ({"name": "x", "on": "pii", "tiers": ["mec"]}, "force and tiers"),
    ({"name": "x", "on": "pii", "side": "output", "action": "force", "tiers": ["mec"]}, "input only"),
    ({"name": "x", "on": "injection", "side": "output"}, "input only"),
    ({"name": "x", "on": "injection", "action": "mask"}, "not for injection"),
    ({"name": "x", "on": "moderation"}, "moderation and guards"),
    ({"name": "x", "on": "pii", "guards": ["a"]}, "moderation and guards"),
    ({"name": "x", "on": "pii", "action": "mask", "kinds": ["address"]}, "cannot be masked"),
    ({"name": "x", "on": "pii", "when_down": "open"}, "when_down"),
    ({"name": "x", "on": "injection", "at": 2}, "between 0 and 1"),
    ({"name": "x", "on": "injection", "surprise": 1}, "unknown key"),
    ("x", "must be an object"),
]


@pytest.mark.parametrize(("rule", "said"), WRONG, ids=lambda value: str(value)[:40])
def test_a_rule_without_effect_is_an_error_that_names_it(rule: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=r"guard\.rules") as caught:
        from_document({"guard": {"rules": [rule]}})
    assert said in str(caught.value)


def test_names_are_unique_and_the_document_reads_back() -> None:
    with pytest.raises(ConfigurationError, match="different names"):
        from_document({"guard": {"rules": [{"name": "x", "on": "pii"}] * 2}})
    policy = from_document({"guard": {"rules": [{"name": "x", "on": "pii", "levels": ["confidential"]}]}})
    assert from_document(to_document(policy)).sha256 == policy.sha256
    assert "guard" in json_schema()["properties"]


def test_by_default_an_injection_is_counted_and_nothing_else_happens() -> None:
    guard = GuardPolicy()
    context = weighing().context
    assert (guard.injection_at, guard.on_pii, guard.asks, guard.reads_output) == (0.5, False, False, False)
    assert fired(context, guard) == ()


def test_a_rule_holds_for_whom_it_names() -> None:
    rule = GuardRule(name="x", on="injection", tenants=("acme",), classes=("complex",), levels=("internal",))
    assert rule.meets("acme", "complex", 1)
    assert not rule.meets("rival", "complex", 1)
    assert not rule.meets("acme", "simple", 1)
    assert not rule.meets("acme", "complex", 2)


def test_block_decides_and_tiers_narrow() -> None:
    block = GuardRule(name="stop", on="pii", action="block")
    near = GuardRule(name="near", on="pii", action="force", tiers=("device", "mec"))
    edge = GuardRule(name="edge", on="pii", action="force", tiers=("mec", "cloud"))
    context = weighing().context
    with pytest.raises(GuardBlockedError) as caught:
        refuse([near, block])
    assert caught.value.rules == ("stop",)
    assert marked(context, (near, edge)).guard_tiers == ("mec",)
    away = GuardRule(name="away", on="pii", action="force", tiers=("cloud",))
    assert marked(context, (near, away)).guard_tiers == ("device",)
    assert marked(context, ()) is context


def test_a_device_alone_does_not_answer_what_others_must_judge() -> None:
    context = weighing().context
    judged = GuardRule(name="x", on="moderation", guards=("g",), when_down="closed")
    assert needs_others(context, GuardPolicy(rules=(judged,)))
    assert not needs_others(context, GuardPolicy())
    leaks = GuardRule(name="x", on="pii", side="output", action="mask")
    assert needs_others(context, GuardPolicy(rules=(leaks,)))


@pytest.mark.parametrize("kind", [GuardBlockedError, GuardUnavailableError])
def test_errors_travel_between_stages(kind: type[GuardBlockedError]) -> None:
    again = error_from_json(error_to_json(kind("no", rules=("a", "b"))))
    assert type(again) is kind
    assert getattr(again, "rules", ()) == ("a", "b")
