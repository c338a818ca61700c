"""The requests of the parity suite: drawn from one seed over everything a caller may say, with faults at the tiers."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.upstream.server import Fault

SEED: Final = 20261121
KEY, NEAR = "parity-key-of-the-phone", "parity-key-near-only"
MAX_BODY: Final = 64 * 1024
TARGETS: Final = (
    "mec/slow",
    "mec/hasty",
    "device/intent-v1",
    "mec/a",
    "mec/b",
    "mec/embed",
    "cloud/a",
    "cloud/b",
)
OK: Final = Fault()
IMAGE: Final = "data:image/png;base64,iVBORw0KGgo="
Script = tuple[tuple[Fault, ...], Fault]
"""What a target plays first, and what it plays from then on."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One request and how the targets behave under it; unnamed targets answer."""

    name: str
    body: bytes | Mapping[str, Any] | None = None
    method: str = "POST"
    path: str = "/inference"
    key: str | None = KEY
    headers: Mapping[str, str] = field(default_factory=dict)
    scripts: Mapping[str, Script] = field(default_factory=dict)

    @property
    def raw(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return b"" if self.body is None else json.dumps(self.body).encode()


TEXTS: Final = (
    "what is the capital of France",
    "turn off the kitchen lights",
    "set a timer for five minutes",
    "Prove step by step that there are infinitely many primes, compare three proofs, and explain why each one works.",
    "my card is 4111 1111 1111 1111, is that safe to send?",
    "Patient Anna Schmidt, anna@example.com, has diabetes and takes metformin; summarize for the doctor.",
    "fasse diesen Text zusammen: Der Zug fährt um acht.",
    "I cannot breathe, help",
    "lorem ipsum dolor sit amet " * 90,
    "日本の首都はどこですか",
)
TOOL: Final = {
    "type": "function",
    "function": {
        "name": "act",
        "parameters": {"type": "object", "properties": {"value": {"type": "string"}}},
    },
}
QUICK: Final = (
    Fault(kind="status", status=500),
    Fault(kind="status", status=503),
    Fault(kind="status", status=429),
    Fault(kind="status", status=429, retry_after="0.05"),
    Fault(kind="status", status=429, retry_after="9"),
    Fault(kind="status", status=400),
    Fault(kind="status", status=403),
    Fault(kind="error_body"),
    Fault(kind="cut_after", tokens=0),
    Fault(kind="cut_after", tokens=2, reset=True),
    Fault(kind="malformed", tokens=1),
    Fault(kind="gzip_garbage"),
    Fault(kind="no_usage"),
    Fault(kind="no_finish"),
)


def inference_cases(count: int) -> list[Case]:
    """Valid bodies, each with its own trouble at the tiers."""
    chance = random.Random(SEED)
    return [_inference(chance, number) for number in range(count)]


def silent_cases() -> list[Case]:
    """A target that never answers: its own timeout ends the attempt, or the caller's deadline does."""
    return [
        Case(
            name=f"{target}-{fallback}-{level}",
            body={
                "input": "hello",
                "params": {"max_tokens": 2},
                "preferences": {"target": target, "max_latency_ms": 900, "fallback": fallback},
                "privacy": {"level": level},
            },
            scripts={target: ((), Fault(kind="half_open"))},
        )
        for target in ("mec/slow", "mec/hasty")
        for fallback in (True, False)
        for level in ("internal", "restricted")
    ]


def planned_cases() -> list[Case]:
    """A device that runs the model itself is told to, whatever the tiers do."""
    device = {"id": "pixel-9", "class": "phone", "models": ["intent-v1"], "executes": True, "battery": 0.9}
    body = {
        "input": "turn off the kitchen lights",
        "device": device,
        "params": {"max_tokens": 9, "temperature": 0},
    }
    wishes: tuple[dict[str, Any], ...] = ({"tiers": ["device"]}, {"target": "device/intent-v1"})
    return [
        Case(name=f"plan-{number}", body={**body, "preferences": wish}) for number, wish in enumerate(wishes)
    ]


def _inference(chance: random.Random, number: int) -> Case:
    text = chance.choice(TEXTS)
    body: dict[str, Any] = _content(chance, text)
    if chance.random() < 0.35:
        body["task"] = chance.choice(("chat", "command", "classify", "extract", "summarize"))
    if chance.random() < 0.06:
        body = {"input": text, "task": "embed"}
    for name, draw in _PARTS.items():
        if chance.random() < 0.35:
            body[name] = draw(chance)
    if body.get("task") == "embed":
        body.pop("params", None)
    return Case(
        name=f"inference-{number}",
        body=body,
        path="/explain" if number % 12 == 11 else "/inference",
        key=NEAR if chance.random() < 0.1 else KEY,
        scripts=_trouble(chance),
    )


def _content(chance: random.Random, text: str) -> dict[str, Any]:
    form = chance.random()
    if form < 0.4:
        return {"input": text}
    if form < 0.7:
        return {"messages": [{"role": "user", "content": text}]}
    if form < 0.8:
        parts = [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": IMAGE}}]
        return {"messages": [{"role": "user", "content": parts}]}
    before = [
        {"role": "system", "content": "You are brief."},
        {"role": "user", "content": chance.choice(TEXTS)},
    ]
    return {
        "messages": [
            *before,
            {"role": "assistant", "content": "I see."},
            {"role": "user", "content": text},
        ]
    }


def _some(
    chance: random.Random, choices: Mapping[str, tuple[Any, ...]], share: float = 0.45
) -> dict[str, Any]:
    return {name: chance.choice(values) for name, values in choices.items() if chance.random() < share}


def _params(chance: random.Random) -> dict[str, Any]:
    return _some(
        chance,
        {
            "max_tokens": (1, 16, 400),
            "temperature": (0, 0.3, 1),
            "response_format": ({"type": "json_object"},),
            "tools": ([TOOL],),
        },
        0.4,
    )


def _preferences(chance: random.Random) -> dict[str, Any]:
    return _some(
        chance,
        {
            "optimize": ("balanced", "latency", "cost", "quality", "privacy", "energy"),
            "max_latency_ms": (1, 250, 2_000, 600_000),
            "max_cost_usd": (0.0, 0.00001, 0.5),
            "min_quality": (0.1, 0.99),
            "tiers": (["device"], ["mec", "cloud"], ["cloud"]),
            "target": ("mec/a", "cloud/b", "cloud/nowhere"),
            "fallback": (True, False),
        },
        0.25,
    )


def _device(chance: random.Random) -> dict[str, Any]:
    return _some(
        chance,
        {
            "id": ("pixel-9",),
            "class": ("phone", "vehicle", "wearable", "sensor"),
            "models": (["intent-v1"],),
            "battery": (0.05, 0.9),
            "charging": (True, False),
            "thermal": ("nominal", "critical"),
            "memory_free_mb": (10, 4_000),
            "executes": (True,),
        },
    )


def _privacy(chance: random.Random) -> dict[str, Any]:
    return _some(
        chance,
        {
            "level": ("public", "internal", "confidential", "restricted"),
            "residency": ("eu", "us"),
            "compliance": (["GDPR"], ["HIPAA"], ["PCI", "GDPR"]),
        },
    )


_PARTS: Final[Mapping[str, Any]] = {
    "params": _params,
    "preferences": _preferences,
    "device": _device,
    "privacy": _privacy,
    "network": lambda chance: _some(chance, {"type": ("5g", "wifi", "offline"), "rtt_ms": (3, 90.5)}),
    "location": lambda chance: {"region": "eu-central-1", "lat": chance.choice((50.1, -33.9)), "lon": 8.7},
    "metadata": lambda chance: {"priority": chance.choice(("critical", "batch", "bulk", "none"))},
    "session_id": lambda chance: chance.choice(("s-1", "s-2")),
    "user": lambda chance: "u-7",
}


def _trouble(chance: random.Random) -> dict[str, Script]:
    """From a calm day to one on which nothing answers."""
    level = chance.choice((0.0, 0.3, 0.6, 1.0))
    scripts: dict[str, Script] = {}
    for target in TARGETS:
        if chance.random() < level:
            fault = chance.choice(QUICK)
            scripts[target] = ((fault,), OK) if chance.random() < 0.4 else ((), fault)
    return scripts
