"""What the text of a request says about itself, read in microseconds: size, difficulty, task, language, secrets.

Routing needs these before any model has run. Everything here is a pure function of its arguments: no clock, no
chance, no I/O, no exception for any `str`; a decision can therefore be replayed from its text alone. `analyse`
prepares the text once and reads every signal from that; the modules' own functions serve single questions.
"""

from __future__ import annotations

from typing import TypedDict, Unpack

from router_core.record import dataclass
from router_core.signals.complexity import complexity, complexity_in
from router_core.signals.fingerprint import canonical_json, fingerprint, stable_fraction
from router_core.signals.guard import guard_cues, guard_in, guard_score
from router_core.signals.health import health_in, health_terms
from router_core.signals.language import detect_language, language_in
from router_core.signals.modality import modalities
from router_core.signals.reading import read
from router_core.signals.request_class import ClassFacts, ClassRules, request_class
from router_core.signals.safety import safety_cues, safety_in
from router_core.signals.sensitivity import kinds_of, level_for, level_for_kinds, pii_in, scan
from router_core.signals.spans import PiiSpan
from router_core.signals.task import infer_task, task_in
from router_core.signals.tokens import estimate_tokens, tokens_in

__all__ = [
    "ClassFacts",
    "ClassRules",
    "PiiSpan",
    "RequestFacts",
    "TextSignals",
    "analyse",
    "canonical_json",
    "complexity",
    "detect_language",
    "estimate_tokens",
    "fingerprint",
    "guard_cues",
    "guard_score",
    "health_terms",
    "infer_task",
    "level_for",
    "level_for_kinds",
    "modalities",
    "request_class",
    "safety_cues",
    "scan",
    "stable_fraction",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextSignals:
    """Everything read from one text.

    `tokens` estimated; `complexity` and `guard` in [0, 1]; `language` ISO 639-1 or "und"; `pii` ordered disjoint
    spans, `pii_kinds` their distinct kinds, sorted; `health`, `safety`: wording of health, of immediate danger.
    """

    tokens: int
    complexity: float
    task: str
    language: str
    pii: tuple[PiiSpan, ...]
    pii_kinds: tuple[str, ...]
    guard: float
    guard_cues: tuple[str, ...]
    health: bool
    safety: bool

    @property
    def level(self) -> str:
        """The privacy level the text itself calls for; a floor for the caller's own."""
        return level_for_kinds(self.pii_kinds, health=self.health)


class RequestFacts(TypedDict, total=False):
    """What else about a request bears on reading its text; anything left out is absent (one turn, no limit).

    `turns`: messages so far. `max_tokens`: the answer's limit. `wants_json`: a schema of the caller's own.
    """

    turns: int
    has_tools: bool
    has_images: bool
    has_audio: bool
    wants_json: bool
    max_tokens: int | None


def analyse(text: str, **facts: Unpack[RequestFacts]) -> TextSignals:
    """Read every signal of `text`. Linear in its length; all of it is scanned for personal data and injection."""
    reading = read(text)
    pii = pii_in(reading)
    guard, cues = guard_in(reading)
    turns, has_tools = facts.get("turns", 1), facts.get("has_tools", False)
    plain = not (has_tools or facts.get("has_images") or facts.get("has_audio") or facts.get("wants_json"))
    return TextSignals(
        tokens=tokens_in(reading),
        complexity=complexity_in(
            reading, turns=turns, has_tools=has_tools, max_tokens=facts.get("max_tokens")
        ),
        task=task_in(reading, plain=plain, turns=turns),
        language=language_in(reading),
        pii=pii,
        pii_kinds=kinds_of(pii) if pii else (),
        guard=guard,
        guard_cues=cues,
        health=health_in(reading),
        safety=safety_in(reading),
    )
