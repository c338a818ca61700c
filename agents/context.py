"""Context agent: reads a request once and says everything routing needs to know about it.

Fast path only: signals of the text, what the caller declared, the session's history, and what the policy makes of
them. Privacy is the strictest of what was declared, what the text itself holds, and what compliance asks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from agents.content import Content, read_content
from agents.guarding.untrusted import beyond_last, injection_in
from router_core.context import AUDIO, IMAGE, RequestContext
from router_core.inference import (
    DEFAULT_DEVICE,
    DEFAULT_NETWORK,
    DEFAULT_PRIVACY,
    PRIVACY_LEVELS,
    TIERS,
    InferenceRequest,
    Privacy,
)
from router_core.learning.scorer import Predicted
from router_core.policy.document import Policy
from router_core.record import dataclass
from router_core.routing.table import unit_vector
from router_core.signals import ClassFacts, TextSignals, analyse, level_for_kinds, request_class
from router_core.signals.health import health_in
from router_core.signals.reading import Reading
from router_core.signals.sensitivity import pii_in
from router_core.signals.spans import kinds_of
from router_core.signals.tokens import estimate_tokens

DEFAULT_LEVEL: Final = PRIVACY_LEVELS.index(DEFAULT_PRIVACY.level)
TOOL_CHARS: Final = 1_000
LONG_CHARS: Final = 16_000
"""Text from which a request is read beside the event loop; dense personal data takes about 0.1 ms per 1,000."""
MESSAGE_TOKENS: Final = 4
"""Template tokens around each message; common chat templates use three to five."""
EXPECTED_TOKENS: Final[Mapping[str, int]] = {
    "command": 24, "classify": 8, "extract": 96, "summarize": 192, "embed": 0, "chat": 120,
}  # fmt: skip
CHAT_TOKENS_PER_COMPLEXITY: Final = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What is remembered of a session or prompt prefix: the targets that served it last."""

    session_target: str | None = None
    prefix_target: str | None = None


NO_HISTORY: Final = History()


Foresee = Callable[[str], Predicted]


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What services outside said of a request: more kinds of personal data, how sure they are that the writer is upset, and
    which were shown it. They add to what the text itself shows and take nothing away, so the privacy level can only rise."""

    kinds: tuple[str, ...] = ()
    upset: float = 0.0
    consulted: tuple[str, ...] = ()


NO_FINDINGS: Final = Findings()


class ContextAgent:
    """Turns requests into contexts. Holds nothing but its inputs; `foresee` is the learned scorer, asked for
    conversations while the policy gives it a share."""

    def __init__(self, foresee: Foresee | None = None) -> None:
        self._foresee = foresee

    def _ahead(
        self, task: str, text: str, policy: Policy, wanted: int | None, complexity: float
    ) -> tuple[Predicted | None, int]:
        """What the scorer says, where the policy has it asked; and how long the answer will be."""
        if task != "chat" or policy.scorer.share <= 0.0 or self._foresee is None:
            return None, _expected_tokens(task, complexity, wanted)
        predicted = self._foresee(text)
        return predicted, _within(predicted.tokens, wanted)

    def read(
        self,
        request: InferenceRequest,
        policy: Policy,
        history: History = NO_HISTORY,
        findings: Findings = NO_FINDINGS,
    ) -> RequestContext:
        """Everything about one request, pure and deterministic."""
        content = read_content(request.messages)
        signals = _signals(request, content)
        rest = beyond_last(request, content.rest)
        kinds, health = _sensitive(rest, signals)
        guard, cues = injection_in(request, rest, signals)
        kinds = tuple(sorted({*kinds, *findings.kinds})) if findings.kinds else kinds
        task = request.task or ("chat" if signals.task == "embed" else signals.task)
        prompt = _prompt_tokens(request, content, signals)
        wanted = request.params.max_tokens
        ahead, expected = self._ahead(task, content.last, policy, wanted, signals.complexity)
        level, residency = _privacy(request.privacy, kinds, health, policy)
        return RequestContext(
            request_id=request.request_id,
            tenant=request.caller.tenant,
            task=task,
            request_class=_class_of(request, signals, task, prompt, policy, findings.upset),
            complexity=signals.complexity,
            prompt_tokens=prompt,
            output_tokens=expected,
            max_output_tokens=wanted or policy.limits.max_output_tokens,
            fit_tokens=_longest(request) if task == "embed" else prompt + (wanted or expected),
            language=signals.language,
            modalities=content.modalities,
            privacy=level,
            residency=residency,
            pii=kinds,
            guard=guard,
            guard_cues=cues,
            consulted=findings.consulted,
            upset=findings.upset,
            foreseen=() if ahead is None else (*ahead.quality, ahead.doubt),
            adopted=() if ahead is None else ahead.targets,
            turns=len(request.messages),
            session_target=history.session_target,
            prefix_target=history.prefix_target,
            position=unit_vector(request.location.lat, request.location.lon),
            **_shape(request),
            **_wishes(request),
            **_surroundings(request),
        )


def _within(tokens: Sequence[float], wanted: int | None) -> int:
    """The tiers' middle length, within what the caller allows."""
    middle = round(sorted(tokens)[len(tokens) // 2])
    return min(middle, wanted) if wanted else middle


def _signals(request: InferenceRequest, content: Content) -> TextSignals:
    params = request.params
    return analyse(
        content.last,
        turns=len(request.messages),
        has_tools=bool(params.tools),
        has_images=bool(content.modalities & IMAGE),
        has_audio=bool(content.modalities & AUDIO),
        wants_json=params.wants_json,
        max_tokens=params.max_tokens,
    )


def _sensitive(rest: Reading | None, signals: TextSignals) -> tuple[tuple[str, ...], bool]:
    """Kinds of personal data, and wording of health, in all that a target would see: an identity in one turn and
    an illness in another, or in a tool's description, are as sensitive as both in one sentence."""
    if rest is None:
        return signals.pii_kinds, signals.health
    spans = signals.pii + pii_in(rest)
    return (kinds_of(spans) if spans else ()), signals.health or health_in(rest)


def _shape(request: InferenceRequest) -> dict[str, Any]:
    """What the answer must look like."""
    params = request.params
    return {
        "tools": bool(params.tools),
        "json": params.wants_json,
        "logprobs": bool(params.extra.get("logprobs")),
        "many_choices": params.n > 1,
        "dimensions": _dimensions(request),
        "stream": request.stream,
    }


def _wishes(request: InferenceRequest) -> dict[str, Any]:
    """What the caller prefers or demands; without a word on it, a named target stands alone."""
    prefs = request.preferences
    return {
        "optimize": prefs.optimize,
        "tiers": prefs.tiers
        if request.caller.tiers is TIERS
        else tuple(tier for tier in prefs.tiers if tier in request.caller.tiers),
        "pinned": prefs.target,
        "fallback": prefs.fallback if prefs.fallback is not None else prefs.target is None,
        "max_latency_ms": prefs.max_latency_ms,
        "max_cost_usd": prefs.max_cost_usd,
        "min_quality": prefs.min_quality,
    }


def _surroundings(request: InferenceRequest) -> dict[str, Any]:
    """The device and network as they report themselves; nothing when they do not."""
    device, network = request.device, request.network
    found: dict[str, Any] = {}
    if network is not DEFAULT_NETWORK:
        found.update(offline=network.type == "offline", rtt_ms=network.rtt_ms)
    if device is not DEFAULT_DEVICE:
        found.update(
            executes=device.executes,
            device_models=device.models,
            battery=device.battery,
            charging=bool(device.charging),
            thermal=device.thermal,
            memory_free_mb=device.memory_free_mb,
            cpu_load=device.cpu_load,
        )
    return found


def is_long(request: InferenceRequest) -> bool:
    """Whether reading the text may take milliseconds. Images and sounds are not read, and count by their parts."""
    total = TOOL_CHARS * len(request.params.tools)
    for message in request.messages:
        content = message.get("content")
        total += (
            len(content) if isinstance(content, str) else sum(len(p.get("text", "")) for p in content or ())
        )
    return total > LONG_CHARS


def _prompt_tokens(request: InferenceRequest, content: Content, signals: TextSignals) -> int:
    rest = estimate_tokens(content.rest) if content.rest else 0
    tools = sum(len(str(tool)) for tool in request.params.tools) // 4
    return signals.tokens + rest + tools + content.media_tokens + MESSAGE_TOKENS * len(request.messages)


def _longest(request: InferenceRequest) -> int:
    """Tokens of the longest text: the inputs of an embedding request are embedded one by one."""
    return max(estimate_tokens(str(message.get("content") or "")) for message in request.messages)


def _dimensions(request: InferenceRequest) -> int | None:
    given = request.params.extra.get("dimensions")
    return given if isinstance(given, int) else None


def _expected_tokens(task: str, complexity: float, max_tokens: int | None) -> int:
    """Prior of the answer's length by task; a chat answer grows with complexity."""
    expected = EXPECTED_TOKENS[task]
    if task == "chat":
        expected += int(CHAT_TOKENS_PER_COMPLEXITY * complexity)
    return expected if max_tokens is None else min(expected, max_tokens)


def _privacy(
    declared: Privacy, kinds: tuple[str, ...], health: bool, policy: Policy
) -> tuple[int, tuple[str, ...]]:
    """Rank of the strictest level, and every residency group that must hold."""
    if declared is DEFAULT_PRIVACY and not kinds and not health:
        return DEFAULT_LEVEL, ()
    level = PRIVACY_LEVELS.index(declared.level)
    groups = {declared.residency} if declared.residency else set()
    for name in declared.compliance:
        rule = policy.compliance[name]
        level = max(level, PRIVACY_LEVELS.index(rule.level))
        if rule.residency:
            groups.add(rule.residency)
    if policy.raise_privacy_by_pii and (kinds or health):
        level = max(level, PRIVACY_LEVELS.index(level_for_kinds(kinds, health=health)))
    return level, tuple(sorted(groups))


def _class_of(
    request: InferenceRequest,
    signals: TextSignals,
    task: str,
    prompt_tokens: int,
    policy: Policy,
    upset: float,
) -> str:
    facts = ClassFacts(
        complexity=signals.complexity,
        task=task,
        tokens=prompt_tokens,
        safety=signals.safety,
        upset=upset,
        asynchronous=request.asynchronous,
        stream=request.stream,
        deadline_ms=request.preferences.max_latency_ms,
        device_class=request.device.device_class,
        metadata=request.metadata,
    )
    return request_class(facts, policy.class_rules)
