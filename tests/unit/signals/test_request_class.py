"""The service class: hint, then critical, then batch, then complex, then simple; thresholds are the caller's."""

from dataclasses import replace

import pytest

from router_core.signals import ClassFacts, ClassRules, request_class

EASY = ClassFacts(complexity=0.1, task="chat", tokens=10)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (EASY, "simple"),
        (replace(EASY, complexity=0.7), "complex"),
        (replace(EASY, complexity=0.7, task="command"), "simple"),
        (replace(EASY, tokens=3000), "complex"),
        (replace(EASY, tokens=9000), "batch"),
        (replace(EASY, tokens=9000, stream=True), "complex"),
        (replace(EASY, tokens=9000, deadline_ms=5000), "complex"),
        (replace(EASY, asynchronous=True), "batch"),
        (replace(EASY, asynchronous=True, deadline_ms=5000), "simple"),
        (replace(EASY, safety=True, device_class="vehicle"), "critical"),
        (replace(EASY, safety=True, device_class="phone"), "simple"),
        (replace(EASY, safety=True), "simple"),
        (replace(EASY, deadline_ms=50, device_class="sensor"), "critical"),
        (replace(EASY, deadline_ms=50, device_class="phone"), "simple"),
        (replace(EASY, deadline_ms=500, device_class="sensor"), "simple"),
        (replace(EASY, safety=True, device_class="vehicle", asynchronous=True), "batch"),
        (replace(EASY, metadata={"priority": "Critical"}), "critical"),
        (replace(EASY, metadata={"priority": "background"}), "batch"),
        (replace(EASY, metadata={"priority": "whatever"}), "simple"),
        (replace(EASY, metadata={}), "simple"),
    ],
)
def test_the_first_rule_that_applies_decides(facts: ClassFacts, expected: str) -> None:
    assert request_class(facts) == expected


def test_every_threshold_is_a_parameter() -> None:
    rules = ClassRules(
        complex_at=0.05,
        complex_tokens=5,
        critical_deadline_ms=1000,
        critical_devices=("phone",),
        batch_tokens=20,
        hint_key="q",
    )
    assert request_class(EASY, rules) == "complex"
    assert request_class(replace(EASY, deadline_ms=900, device_class="phone"), rules) == "critical"
    assert request_class(replace(EASY, tokens=20), rules) == "batch"
    assert request_class(replace(EASY, metadata={"q": "simple", "priority": "batch"}), rules) == "simple"
