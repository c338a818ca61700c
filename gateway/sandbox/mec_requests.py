"""Reads OpenAI-compatible bodies as vLLM does: what it needs must be right, what it does not know it ignores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.sandbox import prose
from gateway.sandbox.faults import Step
from gateway.sandbox.replies import Question, Tool

MAX_CHOICES = 16
_IMAGE_TOKENS = 600
_TURN_TOKENS = 4


class BadRequestError(Exception):
    """The body cannot be used; vLLM answers 400 `BadRequestError` with this message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One generation request: the question each of `choices` answers, and how the answer is wanted."""

    question: Question
    prompt: str
    prompt_tokens: int
    choices: int
    streams: bool
    wants_usage: bool
    top_logprobs: int | None


def chat_job(body: Mapping[str, Any], step: Step) -> Job:
    """Read a body of `/v1/chat/completions`. Raises `BadRequestError`."""
    messages = _messages(body)
    last, asked = messages[-1], _last_user(messages)
    prompt = "\n".join(f"{message['role']}: {_text(message)}" for message in messages)
    parts = [part for message in messages for part in _parts(message)]
    images = sum(part.get("type") == "image_url" for part in parts)
    tokens = prose.estimate_tokens(prompt) + _TURN_TOKENS * len(messages) + _IMAGE_TOKENS * images
    tools = _tools(body)
    if tools:
        tokens += prose.estimate_tokens(orjson.dumps(body["tools"]).decode())
    question = Question(
        model=body["model"],
        text=_text(asked) if asked else "",
        tools=tools,
        tool_choice=_tool_choice(body, tools),
        tool_result=_text(last) if last["role"] == "tool" else None,
        json_schema=_json_schema(body),
        images=sum(part.get("type") == "image_url" for part in _parts(asked)) if asked else 0,
        prefix=_prefix(body, last),
        **_limits(body, ("max_completion_tokens", "max_tokens")),
        forced_text=step.text,
    )
    logprobs = _whole(body, "top_logprobs", 0) if body.get("logprobs") else None
    return _job(body, question, prompt, tokens, logprobs)


def completion_job(body: Mapping[str, Any], step: Step) -> Job:
    """Read a body of `/v1/completions`. Raises `BadRequestError`."""
    prompt = body.get("prompt")
    if not isinstance(prompt, str):
        raise BadRequestError("prompt: the stand-in takes one text")
    limits = _limits(body, ("max_tokens",))
    if limits["max_tokens"] is None:
        limits["max_tokens"] = 16
    question = Question(model=body["model"], text=prompt, **limits, forced_text=step.text)
    logprobs = _whole(body, "logprobs", 0) if body.get("logprobs") is not None else None
    return _job(body, question, prompt, max(1, prose.estimate_tokens(prompt)), logprobs)


def _job(body: Mapping[str, Any], question: Question, prompt: str, tokens: int, logprobs: int | None) -> Job:
    choices = _whole(body, "n", 1)
    if not 1 <= choices <= MAX_CHOICES:
        raise BadRequestError(f"n must be 1 to {MAX_CHOICES}")
    options = body.get("stream_options")
    wants_usage = isinstance(options, Mapping) and bool(options.get("include_usage"))
    return Job(
        question=question,
        prompt=prompt,
        prompt_tokens=tokens,
        choices=choices,
        streams=bool(body.get("stream")),
        wants_usage=wants_usage,
        top_logprobs=logprobs,
    )


def _whole(body: Mapping[str, Any], name: str, otherwise: int) -> int:
    value = body.get(name)
    if value is None:
        return otherwise
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise BadRequestError(f"{name}: Input should be a valid integer that is not negative")
    return value


def _seed(body: Mapping[str, Any]) -> int:
    """Any 64-bit integer, as in vLLM."""
    value = body.get("seed")
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**63) <= value < 2**63:
        raise BadRequestError("seed: Input should be a valid 64-bit integer")
    return value


def _limits(body: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    given = [_whole(body, name, 0) for name in names if body.get(name) is not None]
    if given and given[0] < 1:
        raise BadRequestError("max_tokens must be at least 1")
    stop = body.get("stop") or []
    stops = (stop,) if isinstance(stop, str) else tuple(stop) if isinstance(stop, list) else None
    if stops is None or not all(isinstance(text, str) for text in stops):
        raise BadRequestError("stop: Input should be a string or a list of strings")
    return {
        "max_tokens": given[0] if given else None,
        "min_tokens": min(_whole(body, "min_tokens", 0), given[0] if given else 0),
        "stop": stops,
        "variant": _seed(body),
    }


def _messages(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise BadRequestError("messages: Field required, a list that is not empty")
    for number, message in enumerate(messages):
        if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
            raise BadRequestError(f"messages.{number}: Input should be an object with a role")
        if not isinstance(message.get("content"), str | list | None):
            raise BadRequestError(f"messages.{number}.content: Input should be a string or a list")
        if not all(isinstance(part, Mapping) for part in _parts(message)):
            raise BadRequestError(f"messages.{number}.content: Input should be a list of objects")
    return messages


def _last_user(messages: list[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    return next((message for message in reversed(messages) if message["role"] == "user"), None)


def _parts(message: Mapping[str, Any]) -> list[Any]:
    content = message.get("content")
    return content if isinstance(content, list) else []


def _text(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    return "\n".join(str(part.get("text", "")) for part in _parts(message) if part.get("type") == "text")


def _prefix(body: Mapping[str, Any], last: Mapping[str, Any]) -> str:
    """The text to continue; without `continue_final_message` a last assistant turn is just history."""
    if not body.get("continue_final_message"):
        return ""
    if body.get("add_generation_prompt", True):
        raise BadRequestError("Cannot set both `continue_final_message` and `add_generation_prompt` to True.")
    if last["role"] != "assistant":
        raise BadRequestError("continue_final_message needs a last message of the assistant")
    return _text(last)


def _tools(body: Mapping[str, Any]) -> tuple[Tool, ...]:
    tools = body.get("tools") or []
    try:
        functions = [tool["function"] for tool in tools]
        named = [(function["name"], function.get("parameters") or {}) for function in functions]
    except (TypeError, KeyError, AttributeError) as error:
        raise BadRequestError("tools: Input should be a list of functions with a name") from error
    if not all(isinstance(name, str) and isinstance(schema, Mapping) for name, schema in named):
        raise BadRequestError("tools: Input should be a list of functions with a name")
    return tuple(Tool(name=name, schema=schema) for name, schema in named)


def _tool_choice(body: Mapping[str, Any], tools: tuple[Tool, ...]) -> str:
    choice = body.get("tool_choice")
    if choice is None or isinstance(choice, str):
        words = {"required": "any", "none": "none", "auto": "auto", None: "auto"}
        if choice not in words:
            raise BadRequestError("tool_choice: Input should be 'none', 'auto', 'required' or a named tool")
        return words[choice]
    name = choice.get("function", {}).get("name") if isinstance(choice, Mapping) else None
    if name not in [tool.name for tool in tools]:
        raise BadRequestError("tool_choice: the named tool is not among the tools")
    return str(name)


def _json_schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    wanted = body.get("response_format")
    if not isinstance(wanted, Mapping) or wanted.get("type") in {None, "text"}:
        return None
    if wanted["type"] == "json_object":
        return {"type": "object", "properties": {"answer": {"const": "from a local stand-in"}}}
    inner = wanted.get("json_schema")
    schema = inner.get("schema") if isinstance(inner, Mapping) else None
    if wanted["type"] != "json_schema" or not isinstance(schema, Mapping):
        raise BadRequestError(
            "response_format: Input should be text, json_object or a json_schema with a schema"
        )
    return schema
