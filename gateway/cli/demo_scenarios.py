"""The sixteen requests of the demo: what each asks, what trouble it meets, and what would show that it worked.

A scenario is only as good as its check: each states what must be visible in the answer, so that a table that
looks right cannot hide a router that is not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.cli.demo_stage import Stage

Answer = Mapping[str, Any]
Check = Callable[[Answer], bool]
Act = Callable[[Stage], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One request. `before` and `after` make and end the trouble; `shows` is what the answer must show."""

    name: str
    body: Mapping[str, Any]
    shows: Check
    before: Act | None = None
    after: Act | None = None


def _tier(*tiers: str) -> Check:
    return lambda answer: answer["routing"]["tier"] in tiers


def _ruled_out(target: str, word: str) -> Check:
    return lambda answer: str(answer["routing"]["rejected"].get(target, "")).startswith(word)


def _both(*checks: Check) -> Check:
    return lambda answer: all(check(answer) for check in checks)


def _throttled_first(answer: Answer) -> bool:
    outcomes = [attempt["outcome"] for attempt in answer["attempts"]]
    return "throttled" in outcomes[:-1] and outcomes[-1] == "ok"


_DOCUMENT: Final = " ".join(
    f"Section {number}. The committee reviewed the delivery of the northern line, heard the contractor on the delay of the "
    f"second tunnel, and noted that the budget of lot {number} had been exceeded by {number % 7 + 2} percent."
    for number in range(1, 241)
)
_NPC: Final[Mapping[str, Any]] = {
    "messages": [
        {
            "role": "system",
            "content": "You are Brenna, the blacksmith of a small village. Answer in character, briefly.",
        },
        {"role": "user", "content": "Good evening! Have you heard any rumours about the old mine?"},
    ],
    "params": {"max_tokens": 48, "temperature": 0.8},
    "preferences": {"optimize": "latency"},
    "network": {"type": "5g", "rtt_ms": 12},
}
_CODING: Final[Mapping[str, Any]] = {
    "messages": [
        {
            "role": "user",
            "content": (
                "Here is a Python function that merges overlapping intervals in quadratic time:\n```python\n"
                "def merge(xs):\n    out = []\n    for a in xs:\n        for b in out:\n            if a[0] <= b[1] and "
                "b[0] <= a[1]:\n                b[0], b[1] = min(a[0], b[0]), max(a[1], b[1]); break\n        else:\n"
                "            out.append(list(a))\n    return out\n```\nExplain step by step why it is wrong for some "
                "inputs, rewrite it in O(n log n), prove the bound, and write property-based tests for edge cases."
            ),
        }
    ],
    "params": {"max_tokens": 160},
}

SCENARIOS: Final = (
    Scenario(name="game NPC", body=_NPC, shows=_tier("mec")),
    Scenario(
        name="vehicle",
        body={
            "input": "navigate to the airport",
            "device": {"class": "vehicle", "id": "car-7", "models": ["intent-v1"]},
            "network": {"type": "4g", "rtt_ms": 60},
        },
        shows=_tier("device"),
    ),
    Scenario(
        name="patient monitor",
        body={
            "input": "Patient in bed 12: heart rate 142, SpO2 88 percent, blood pressure 84/51, temperature 39.4. "
            "Summarize the state for the nurse in one sentence.",
            "device": {"class": "gateway", "id": "ward-3"},
            "privacy": {"level": "restricted", "compliance": ["HIPAA"]},
            "params": {"max_tokens": 48},
        },
        shows=_both(_tier("device", "mec"), _ruled_out("cloud/nova-pro", "privacy")),
    ),
    Scenario(
        name="factory sensor",
        body={
            "input": "Vibration on bearing 4 is 7.3 mm/s, usual is 2.1. Classify as normal, warning or fault.",
            "task": "classify",
            "device": {"class": "sensor", "id": "press-4"},
            "params": {"max_tokens": 8},
            "preferences": {"max_latency_ms": 900},
        },
        shows=_tier("mec"),
    ),
    Scenario(
        name="smart home",
        body={
            "input": "turn off the kitchen lights",
            "device": {"class": "gateway", "models": ["intent-v1"]},
        },
        shows=_both(_tier("device"), lambda answer: bool(answer["output"]["json"]["commands"])),
    ),
    Scenario(name="coding", body=_CODING, shows=_tier("cloud")),
    Scenario(
        name="long document",
        body={
            "input": f"Summarize the minutes in five points.\n\n{_DOCUMENT}",
            "task": "summarize",
            "params": {"max_tokens": 120},
        },
        shows=_both(_tier("cloud"), _ruled_out("mec/edge-sim", "context")),
    ),
    Scenario(
        name="PII",
        body={
            "input": "Write a short complaint to my bank: card 4111 1111 1111 1111 was charged twice, I am "
            "maria.lang@example.com.",
            "params": {"max_tokens": 64},
        },
        shows=_both(_tier("device", "mec"), _ruled_out("cloud/nova-lite", "privacy")),
    ),
    Scenario(
        name="EU residency",
        body={
            "input": "Compare three ways to store customer feedback and recommend one with reasons.",
            "privacy": {"residency": "eu"},
            "location": {"region": "eu-central-1", "lat": 50.1, "lon": 8.7},
            "params": {"max_tokens": 96},
        },
        shows=_both(
            _ruled_out("cloud/nova-pro", "privacy: residency eu"),
            lambda answer: answer["routing"]["target"] in ("mec/edge-sim", "cloud/nova-lite"),
        ),
    ),
    Scenario(
        name="offline device",
        body={"input": "set a timer for 10 minutes", "network": {"type": "offline"}},
        shows=_both(_tier("device"), _ruled_out("mec/edge-sim", "network: offline")),
    ),
    Scenario(
        name="low battery",
        body={
            "input": "turn on the bedroom lamp",
            "device": {"class": "phone", "battery": 0.06, "charging": False, "models": ["intent-v1"]},
            "params": {"max_tokens": 24},
        },
        shows=_both(_tier("mec", "cloud"), _ruled_out("device/intent-v1", "device: battery")),
    ),
    Scenario(
        name="busy edge node",
        body=_NPC,
        before=Stage.fill_edge,
        after=Stage.free_edge,
        shows=_both(_tier("cloud"), _ruled_out("mec/edge-sim", "busy")),
    ),
    Scenario(
        name="edge node down",
        body=_NPC,
        before=Stage.stop_edge,
        shows=_both(_tier("cloud"), _ruled_out("mec/edge-sim", "health")),
    ),
    Scenario(
        name="cloud throttled",
        body=_CODING,
        before=lambda stage: stage.throttle_cloud(True),
        after=lambda stage: stage.throttle_cloud(False),
        shows=_both(_tier("mec"), _throttled_first),
    ),
    Scenario(
        name="tiny budget",
        body={
            "input": "Write a friendly invitation to a garden party on Saturday.",
            "params": {"max_tokens": 96},
            "preferences": {"max_cost_usd": 0.000001, "optimize": "quality"},
        },
        shows=_both(_tier("device", "mec"), _ruled_out("cloud/nova-micro", "budget")),
    ),
    Scenario(
        name="tight deadline",
        body={
            "input": "In one word: what is the capital of Peru?",
            "params": {"max_tokens": 6},
            "preferences": {"max_latency_ms": 300},
        },
        shows=_both(_tier("device", "mec"), _ruled_out("cloud/nova-pro", "deadline")),
    ),
)
ORDER_PLAYED: Final = (*(i for i in range(len(SCENARIOS)) if SCENARIOS[i].name != "edge node down"), 12)
"""The edge node does not come back, so its end is played last."""
