"""Which service class a request belongs to: simple, complex, critical or batch.

The class picks the policy's weights: a critical request must be answered in time, a batch may wait for cheap
capacity. What counts as what is the operator's, so every threshold comes in as `ClassRules`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from router_core.record import dataclass

RequestClass = Literal["simple", "complex", "critical", "batch"]
REQUEST_CLASSES: Final = ("simple", "complex", "critical", "batch")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRules:
    """Thresholds of the class decision; the policy supplies them.

    `complex_at`: complexity from which a request is complex. `complex_tokens`: prompt tokens from which any
    request is. `upset_at`: how sure a service outside must be that the writer is upset for the request to be
    complex (1: nobody is asked). `critical_deadline_ms`: a deadline this tight makes any request from a critical device critical.
    `critical_devices`: device classes whose safety cues are taken at their word. `batch_tokens`: prompt tokens
    from which a request without a deadline may wait. `hint_key`: the metadata key that names the class outright.
    """

    complex_at: float = 0.5
    complex_tokens: int = 2000
    upset_at: float = 1.0
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
    upset: float = 0.0
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
    hard = hard or (rules.upset_at < 1.0 and facts.upset >= rules.upset_at)
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
