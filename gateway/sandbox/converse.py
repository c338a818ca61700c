"""Translates between Bedrock's Converse bodies and what a stand-in understands."""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import orjson

from gateway.sandbox import prose
from gateway.sandbox.converse_rules import RequestRefusedError
from gateway.sandbox.eventstream import event, exception
from gateway.sandbox.faults import Step
from gateway.sandbox.pacing import Pace, ScriptedStreamError, paced
from gateway.sandbox.replies import Question, Reply, Tool

DEFAULT_MAX_TOKENS = 4_096
_IMAGE_TOKENS = 800
_TURN_TOKENS = 4
_STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool": "tool_use",
    "stop_sequence": "stop_sequence",
    "guardrail": "guardrail_intervened",
}
_ANSWERING = "StructuredOutputTool"
"""How Strands describes the tool whose arguments are the answer."""
_PADDING = "abcdefghijklmnopqrstuvwxyz"


def question_of(model: str, body: Mapping[str, Any], step: Step) -> Question:
    """Read a checked Converse body. Raises `RequestRefusedError` for a schema or an image that cannot be read."""
    messages = body["messages"]
    last = messages[-1]
    prefix = _texts(last) if last["role"] == "assistant" else ""
    asked = next((message for message in reversed(messages) if message["role"] == "user"), last)
    limits = body.get("inferenceConfig", {})
    return Question(
        model=model,
        text=_texts(asked),
        tools=_tools(body),
        tool_choice=_tool_choice(body),
        tool_result=_tool_result(asked),
        json_schema=_json_schema(body),
        images=_count_images(asked),
        prefix=prefix,
        max_tokens=limits.get("maxTokens", DEFAULT_MAX_TOKENS),
        stop=tuple(limits.get("stopSequences", ())),
        forced_text=step.text,
    )


def _texts(message: Mapping[str, Any]) -> str:
    return "\n".join(block["text"] for block in message["content"] if "text" in block)


def _tools(body: Mapping[str, Any]) -> tuple[Tool, ...]:
    specs = [tool["toolSpec"] for tool in body.get("toolConfig", {}).get("tools", []) if "toolSpec" in tool]
    return tuple(
        Tool(
            name=spec["name"],
            schema=spec["inputSchema"].get("json", {}),
            answers=_ANSWERING in spec.get("description", ""),
        )
        for spec in specs
    )


def _tool_choice(body: Mapping[str, Any]) -> str:
    choice = body.get("toolConfig", {}).get("toolChoice", {"auto": {}})
    return str(choice["tool"]["name"]) if "tool" in choice else next(iter(choice))


def _tool_result(message: Mapping[str, Any]) -> str | None:
    results = [block["toolResult"] for block in message["content"] if "toolResult" in block]
    if not results:
        return None
    parts = [part for result in results for part in result["content"]]
    return " ".join(part["text"] if "text" in part else orjson.dumps(part).decode() for part in parts)


def _json_schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    wanted = body.get("outputConfig", {}).get("textFormat")
    if wanted is None:
        return None
    try:
        schema = orjson.loads(wanted["structure"]["jsonSchema"]["schema"])
    except (ValueError, KeyError) as error:
        raise RequestRefusedError("outputConfig.textFormat: the schema is not a JSON document") from error
    if not isinstance(schema, dict):
        raise RequestRefusedError("outputConfig.textFormat: the schema is not a JSON object")
    return schema


def _count_images(message: Mapping[str, Any]) -> int:
    images = [block["image"] for block in message["content"] if "image" in block]
    for image in images:
        data = image["source"].get("bytes")
        try:
            base64.b64decode(data or "", validate=True)
        except (binascii.Error, ValueError) as error:
            raise RequestRefusedError("image.source.bytes is not base64") from error
    return len(images)


def prompt_tokens(body: Mapping[str, Any]) -> int:
    """Input tokens of a Converse body: text at four characters each, tools and schemas included."""
    total = prose.estimate_tokens("".join(block.get("text", "") for block in body.get("system", [])))
    for message in body["messages"]:
        total += _TURN_TOKENS + sum(_block_tokens(block) for block in message["content"])
    extras = [body[name] for name in ("toolConfig", "outputConfig") if name in body]
    return total + (prose.estimate_tokens(orjson.dumps(extras).decode()) if extras else 0)


def _block_tokens(block: Mapping[str, Any]) -> int:
    if "text" in block:
        return prose.estimate_tokens(block["text"])
    return _IMAGE_TOKENS if "image" in block else prose.estimate_tokens(orjson.dumps(block).decode())


def usage(input_tokens: int, reply: Reply) -> dict[str, int]:
    """The usage block of an answer."""
    total = input_tokens + reply.tokens
    return {"inputTokens": input_tokens, "outputTokens": reply.tokens, "totalTokens": total}


def new_tool_use_id() -> str:
    """An id in the form Bedrock gives tool calls."""
    return f"tooluse_{uuid.uuid4().hex[:22]}"


def converse_answer(reply: Reply, input_tokens: int, latency_ms: int) -> dict[str, Any]:
    """The body of a Converse answer."""
    block: dict[str, Any] = {"text": reply.text}
    if reply.tool is not None:
        block = {"toolUse": {"toolUseId": new_tool_use_id(), "name": reply.tool, "input": reply.arguments}}
    return {
        "output": {"message": {"role": "assistant", "content": [block]}},
        "stopReason": _STOP_REASONS[reply.finish],
        "usage": usage(input_tokens, reply),
        "metrics": {"latencyMs": latency_ms},
    }


async def converse_events(reply: Reply, input_tokens: int, pace: Pace, step: Step) -> AsyncIterator[bytes]:
    """The frames of a ConverseStream answer; a scripted error becomes an exception event and ends it."""
    total_ms = round(pace.ttft_ms + len(reply.pieces) * pace.token_ms)
    yield event("messageStart", _padded({"role": "assistant"}, 0))
    if reply.tool is not None:
        start = {"toolUse": {"toolUseId": new_tool_use_id(), "name": reply.tool}}
        yield event("contentBlockStart", _padded({"contentBlockIndex": 0, "start": start}, 1))
    try:
        number = 0
        async for piece in paced(reply.pieces, pace, step):
            number += 1
            delta: dict[str, Any] = {"toolUse": {"input": piece}} if reply.tool else {"text": piece}
            yield event("contentBlockDelta", _padded({"contentBlockIndex": 0, "delta": delta}, number))
    except ScriptedStreamError as error:
        name = step.error or "throttlingException"
        yield exception(name[0].lower() + name[1:], str(error))
        return
    for frame in _ending(reply, input_tokens, total_ms):
        yield frame


def _ending(reply: Reply, input_tokens: int, total_ms: int) -> Iterator[bytes]:
    yield event("contentBlockStop", _padded({"contentBlockIndex": 0}, 2))
    yield event("messageStop", _padded({"stopReason": _STOP_REASONS[reply.finish]}, 3))
    metadata = {"usage": usage(input_tokens, reply), "metrics": {"latencyMs": total_ms}}
    yield event("metadata", _padded(metadata, 4))


def _padded(payload: dict[str, Any], number: int) -> dict[str, Any]:
    """Add the padding field that Bedrock's events carry, so that a reader that chokes on it is found here."""
    return {**payload, "p": _PADDING[: 1 + number % len(_PADDING)]}
