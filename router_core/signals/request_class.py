"""Which service class a request belongs to: simple, complex, critical or batch.

The class picks the policy's weights: a critical request must be answered in time, a batch may wait for cheap
capacity. What counts as what is the operator's, so every threshold comes in as `ClassRules`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from router_core.signals import triggers
from router_core.signals.reading import Reading, read

RequestClass = Literal["simple", "complex", "critical", "batch"]
REQUEST_CLASSES: Final = ("simple", "complex", "critical", "batch")

_CUES: Final = re.compile(
    r"\b(?:emergency (?:brak\w{1,4}|stop|shutdown|call)|brak(?:e|es|ing)|collision|obstacle|pedestrian|airbag|emergency"
    r"|(?:alarm|alert) (?:from|on|at|triggered|raised|active|sounding)|(?:fire|smoke|gas|pressure|intrusion|temperature) alarm"
    r"|patient|cardiac|arrhythmia|spo2|seizure|overheat(?:s|ed|ing)?|(?:gas|coolant|chemical|fuel|oil) leak|smoke|shutdown"
    r"|intrusion|heart rate)\b"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRules:
    """Thresholds of the class decision; the policy supplies them.

    `complex_at`: complexity from which a request is complex. `complex_tokens`: prompt tokens from which any
    request is. `critical_deadline_ms`: a deadline this tight makes any request from a critical device critical.
    `critical_devices`: device classes whose safety cues are taken at their word. `batch_tokens`: prompt tokens
    from which a request without a deadline may wait. `hint_key`: the metadata key that names the class outright.
    """

    complex_at: float = 0.5
    complex_tokens: int = 2000
    critical_deadline_ms: float = 150.0
    critical_devices: tuple[str, ...] = ("vehicle", "wearable", "sensor", "gateway")
    batch_tokens: int = 8000
    hint_key: str = "priority"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFacts:
    """What the class is decided from. `tokens` of the prompt; `deadline_ms` None means the caller set none."""

    complexity: float
    task: str
    tokens: int
    safety: bool = False
    asynchronous: bool = False
    stream: bool = False
    deadline_ms: float | None = None
    device_class: str | None = None
    metadata: Mapping[str, str] | None = None


_HINTS: Final[Mapping[str, RequestClass]] = {
    "simple": "simple",
    "complex": "complex",
    "critical": "critical",
    "batch": "batch",
    "emergency": "critical",
    "background": "batch",
    "bulk": "batch",
}

DEFAULT_RULES: Final = ClassRules()


def request_class(facts: ClassFacts, rules: ClassRules = DEFAULT_RULES) -> RequestClass:
    """The first that applies: the caller's hint, critical, batch, complex, simple."""
    hint = (facts.metadata or {}).get(rules.hint_key)
    if hint is not None and hint.lower() in _HINTS:
        return _HINTS[hint.lower()]
    if _is_critical(facts, rules):
        return "critical"
    if _is_batch(facts, rules):
        return "batch"
    hard = facts.complexity >= rules.complex_at or facts.tokens >= rules.complex_tokens
    return "complex" if hard and facts.task != "command" else "simple"


def _is_critical(facts: ClassFacts, rules: ClassRules) -> bool:
    if facts.asynchronous or facts.device_class not in rules.critical_devices:
        return False
    tight = facts.deadline_ms is not None and facts.deadline_ms <= rules.critical_deadline_ms
    return facts.safety or tight


def _is_batch(facts: ClassFacts, rules: ClassRules) -> bool:
    if facts.deadline_ms is not None:
        return False
    return facts.asynchronous or (facts.tokens >= rules.batch_tokens and not facts.stream)


def safety_cues(text: str) -> bool:
    """True if the text speaks of immediate danger: braking, collision, alarms, a patient's state. English."""
    return safety_in(read(text))


def safety_in(reading: Reading) -> bool:
    """As `safety_cues`, for a text that is already prepared."""
    return not reading.hits.isdisjoint(triggers.SAFETY) and _CUES.search(reading.lower) is not None
