"""Judges that a test scripts, and the cases they are shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from agents.judge.agent import JudgeAgent
from agents.judge.lobbying import CRITERIA
from agents.judge.verdict import Verdict
from router_core.errors import NoPermittedTargetError
from router_core.execution import Choice, Output
from router_core.inference import Caller, InferenceRequest, InferenceResponse
from router_core.policy.judging import Judging
from router_core.resources import TargetSpec
from tests.unit.gateway.scripted import response, text_output

ANSWER = "Paris is the capital of France. It lies on the Seine."


def request(**changes: Any) -> InferenceRequest:
    return replace(
        InferenceRequest(
            request_id="req_1",
            received_s=1.0,
            caller=Caller(tenant="acme", key_id="k"),
            messages=({"role": "user", "content": "What is the capital of France?"},),
        ),
        **changes,
    )


def answered(text: str = ANSWER, **changes: Any) -> InferenceResponse:
    return replace(response(request(), text_output(request(), text)), **changes)


SPECS = tuple(
    TargetSpec(name=name, tier=name.split("/")[0], kind=kind, model=model, quality_default=quality)
    for name, kind, model, quality in (
        ("device/intent-v1", "onnx", "intent-v1", 0.99),
        ("mec/edge-a", "openai", "llama-3.1-8b", 0.7),
        ("mec/twin", "openai", "meta-llama-3.1-70b", 0.95),
        ("mec/qwen", "openai", "qwen3-8b", 0.6),
        ("cloud/nova", "bedrock", "eu.amazon.nova-pro-v1:0", 0.9),
    )
)


class Bench:
    """Answers as judges: `reply` makes the text from what it is shown and its mark; `closed` tiers refuse the case."""

    def __init__(self, reply: Callable[[str, str], str], closed: tuple[str, ...] = ()) -> None:
        self._reply, self._closed = reply, closed
        self.seen: list[InferenceRequest] = []

    async def __call__(self, asked: InferenceRequest) -> InferenceResponse:
        self.seen.append(asked)
        name = asked.preferences.target or ""
        if name.split("/")[0] in self._closed or (
            asked.privacy.level == "restricted" and name.startswith("cloud")
        ):
            raise NoPermittedTargetError("not this one", rejected={})
        shown = str(asked.messages[-1]["content"])
        text = self._reply(shown, shown.split("\n")[0])
        return replace(response(asked, Output(choices=(Choice(text=text),))), cost_usd=0.002)


def graded(grade: int) -> Callable[[str, str], str]:
    return lambda _, mark: json.dumps({"mark": mark, **dict.fromkeys(CRITERIA, grade), "reason": "because"})


async def judged(
    bench: Bench, preferred: tuple[str, ...] = (), rules: Judging | None = None, **changes: Any
) -> Verdict:
    """The verdict on one answer; `changes` are of the request (privacy, preferences, metadata) or of the answer."""
    ours = ("privacy", "preferences", "metadata")
    asking = request(**{name: value for name, value in changes.items() if name in ours})
    answer = answered(**{name: value for name, value in changes.items() if name not in ours})
    return await JudgeAgent(bench, SPECS, preferred).judge(asking, answer, rules or Judging())
