"""Pieces of OpenAI's answer bodies that several paths share."""

from __future__ import annotations

from typing import Any

from router_core.execution import Choice, Handoff, Usage
from router_core.inference import InferenceResponse


def answer_id(prefix: str, request_id: str) -> str:
    """OpenAI's kind of id, made from ours so that either leads to the other."""
    return f"{prefix}-{request_id.removeprefix('req_')}"


def usage(used: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": used.prompt_tokens,
        "completion_tokens": used.completion_tokens,
        "total_tokens": used.total_tokens,
        "prompt_tokens_details": {"cached_tokens": used.cached_tokens},
    }


def tierwise(response: InferenceResponse) -> dict[str, Any]:
    """What the usage chunk of a stream says about the route."""
    handed: Handoff | None = response.handoff
    return {
        "tier": response.served.tier,
        "target": response.served.target,
        "cost_usd": response.cost_usd,
        "handoff": None
        if handed is None
        else {"from": handed.source, "to": handed.to, "at_chars": handed.at_chars},
    }


def chat_choice(choice: Choice) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": choice.text, "refusal": choice.refusal}
    if choice.tool_calls:
        message["tool_calls"] = [dict(call) for call in choice.tool_calls]
    if choice.reasoning:
        message["reasoning_content"] = choice.reasoning
    return {
        "index": choice.index,
        "message": message,
        "logprobs": choice.logprobs,
        "finish_reason": choice.finish_reason,
    }


def choices_of(response: InferenceResponse) -> tuple[Choice, ...]:
    return () if response.output is None else response.output.choices
