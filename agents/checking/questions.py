"""Whom a check may ask, and what: the same target again, another small one, or the one that would follow.

Each gives a question with what it costs at most, or none where asking would say nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from agents.attempts import Answered, Job, Step
from agents.checking.agreement import agreement
from agents.checking.forecast import Expected
from agents.checking.verifier import FRAME_TOKENS, REPLY_TOKENS, params, verdict, verifying
from agents.executing.calls import model_call
from router_core.context import TEXT
from router_core.policy.verification import Verification
from router_core.ports import ModelCall
from router_core.record import dataclass
from router_core.resources import TargetSpec

WARM: Final = 0.8
"""Temperature of a second sample: at none, a model only repeats itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An answer that is being checked; `others` are the targets that may be asked, `onward` those of them that might follow,
    `room_s` and `spare_usd` what a check may take of the request."""

    job: Job
    spec: TargetSpec
    answered: Answered
    rule: Verification
    others: tuple[TargetSpec, ...]
    onward: tuple[TargetSpec, ...]
    expected: Mapping[str, Expected]
    room_s: float
    spare_usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One call of a check, what it costs at most, and how its answer is read."""

    spec: TargetSpec
    most_usd: float
    call: Callable[[Step], ModelCall]
    reads: Callable[[Answered], float | None]


def _sample(case: Case) -> Question | None:
    """The same target again. A device model that draws nothing would only repeat itself."""
    job = case.job
    if case.spec.kind == "onnx":
        return None

    def call(step: Step) -> ModelCall:
        plain = model_call(job, step)
        warm = max(WARM, plain.params.temperature or 0.0)
        return replace(plain, params=replace(plain.params, temperature=warm))

    return Question(spec=case.spec, most_usd=job.most_usd(case.spec), call=call, reads=_agrees(case))


def _second(case: Case) -> Question | None:
    """The cheapest other target of the checked tiers, but not the one that would follow: that one answers by itself."""
    best = max(case.onward, key=lambda one: case.expected[one.name].quality)
    others = [
        one
        for one in case.others
        if one.tier in case.rule.tiers and one.model != case.spec.model and one is not best
    ]
    if not others:
        return None
    job, spec = (
        case.job,
        min(others, key=lambda one: (case.job.most_usd(one), case.expected[one.name].latency_ms)),
    )
    return Question(
        spec=spec, most_usd=job.most_usd(spec), call=lambda step: model_call(job, step), reads=_agrees(case)
    )


def _verifier(case: Case) -> Question | None:
    """The target that would follow, asked for one word instead of an answer."""
    job, spec = case.job, max(case.onward, key=lambda one: case.expected[one.name].quality)
    tokens = job.context.prompt_tokens + case.answered.usage.completion_tokens + FRAME_TOKENS
    if "chat" not in spec.tasks or spec.kind == "onnx" or job.context.modalities != TEXT:
        return None
    if tokens > spec.context_tokens:
        return None
    told = spec.logprobs and spec.kind == "openai"

    def call(step: Step) -> ModelCall:
        shown = verifying(job.request, case.answered.output)
        return replace(model_call(job, step), messages=shown, params=params(told=told), task="chat")

    return Question(
        spec=spec,
        most_usd=spec.cost_usd(tokens, REPLY_TOKENS),
        call=call,
        reads=lambda found: verdict(found.output, found.confidence),
    )


PLANS: Final[Mapping[str, Callable[[Case], Question | None]]] = {
    "sample": _sample, "second": _second, "verifier": _verifier,
}  # fmt: skip


def _agrees(case: Case) -> Callable[[Answered], float | None]:
    return lambda found: agreement(case.answered.output, found.output)
