"""A `ModelCall` as the body of Bedrock's Converse: OpenAI's messages, tools and formats in the service's own terms.

What Converse cannot express is refused before it is sent; parameters that only steer chance (seed, penalties) are left
out. Turns must alternate there, so neighbours of one role become one turn.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from router_core.errors import RefusedError
from router_core.ports import ModelCall

ANSWER_TOOL: Final = "give_answer"
"""The tool that a model without structured output is made to call; its input is the answer."""
_IMAGE: Final = re.compile(r"data:image/(png|jpe?g|gif|webp);base64,([A-Za-z0-9+/=_-]+)")
_AUDIO_FORMATS: Final = frozenset({"wav", "mp3"})
_NOT_IN_ID: Final = re.compile(r"[^a-zA-Z0-9_.:-]")
_UNSUPPORTED: Final = ("logprobs", "functions", "audio")
_ANY_OBJECT: Final = {"type": "object"}

Block = dict[str, Any]


def converse_body(call: ModelCall, *, native_schema: bool) -> dict[str, Any]:
    """The body of Converse and ConverseStream. Raises `RefusedError` for what they cannot express."""
    _refuse_unsupported(call)
    system, turns = _conversation(call)
    body: dict[str, Any] = {"messages": turns}
    if system:
        body["system"] = system
    if inference := _inference(call):
        body["inferenceConfig"] = inference
    tools = _tool_config(call, turns)
    if forces_tool(call, native_schema=native_schema):
        if tools is not None:
            raise RefusedError("this model cannot give JSON and use tools in one answer")
        tools = _answer_tool(call)
    elif call.params.wants_json:
        body["outputConfig"] = _output_config(call)
    if tools is not None:
        body["toolConfig"] = tools
    return body


def _refuse_unsupported(call: ModelCall) -> None:
    if call.params.n != 1:
        raise RefusedError("this model gives one choice at a time")
    for name in _UNSUPPORTED:
        if call.params.extra.get(name):
            raise RefusedError(f"this model does not support {name}")


def forces_tool(call: ModelCall, *, native_schema: bool) -> bool:
    """True when the JSON that was asked for comes as the input of `ANSWER_TOOL`: the service's own way needs a schema."""
    wanted = call.params.response_format
    return call.params.wants_json and not (
        native_schema and wanted is not None and wanted.get("type") == "json_schema"
    )


# ---- messages --------------------------------------------------------------------------------------------------------


def _conversation(call: ModelCall) -> tuple[list[Block], list[Block]]:
    system: list[Block] = []
    turns: list[Block] = []
    for message in call.messages:
        role = message.get("role")
        if role in ("system", "developer"):
            system += _blocks(message.get("content"))
        elif role == "user":
            _add(turns, "user", _blocks(message.get("content")))
        elif role == "assistant":
            _add(turns, "assistant", [*_blocks(message.get("content")), *_tool_uses(message)])
        elif role == "tool":
            _add(turns, "user", [_tool_result(message)])
        else:
            raise RefusedError("this model does not know the role of a message")
    prefix = (call.continuation or "").rstrip()  # some models refuse a last turn that ends with blanks
    if prefix:
        _add(turns, "assistant", [{"text": prefix}])
    return system, turns


def _add(turns: list[Block], role: str, blocks: list[Block]) -> None:
    if not blocks:
        return
    if turns and turns[-1]["role"] == role:
        turns[-1]["content"] += blocks
    else:
        turns.append({"role": role, "content": blocks})


def _blocks(content: object) -> list[Block]:
    """Content blocks; blank texts, which the service refuses, are left out."""
    if content is None:
        return []
    if isinstance(content, str):
        return [{"text": content}] if content.strip() else []
    if not isinstance(content, list | tuple):
        raise RefusedError("the content of a message is neither text nor a list of parts")
    return [block for part in content for block in _part(part)]


def _part(part: Mapping[str, Any]) -> Iterator[Block]:
    try:
        kind = part["type"]
        if kind in ("text", "refusal"):
            if part[kind].strip():
                yield {"text": part[kind]}
        elif kind == "image_url":
            yield _image(part["image_url"]["url"])
        elif kind == "input_audio" and part["input_audio"]["format"] in _AUDIO_FORMATS:
            audio = part["input_audio"]
            yield {"audio": {"format": audio["format"], "source": {"bytes": audio["data"]}}}
        else:
            raise RefusedError("this model does not take a part of that type")
    except (KeyError, TypeError, AttributeError):
        raise RefusedError("a part of a message is incomplete") from None


def _image(url: str) -> Block:
    found = _IMAGE.fullmatch(url)
    if found is None:
        raise RefusedError("this model takes images as base64 data in png, jpeg, gif or webp only")
    form = "jpeg" if found[1] == "jpg" else found[1]
    return {"image": {"format": form, "source": {"bytes": found[2]}}}


def _tool_uses(message: Mapping[str, Any]) -> Iterator[Block]:
    for call in message.get("tool_calls") or ():
        try:
            function = call["function"]
            arguments = orjson.loads(function.get("arguments") or "{}")
            use = {"toolUseId": _tool_id(call["id"]), "name": function["name"], "input": arguments}
        except (KeyError, TypeError, AttributeError, ValueError):
            raise RefusedError("a tool call in the conversation is incomplete") from None
        yield {"toolUse": use}


def _tool_result(message: Mapping[str, Any]) -> Block:
    content = _blocks(message.get("content")) or [{"text": "(no output)"}]
    try:
        return {"toolResult": {"toolUseId": _tool_id(message["tool_call_id"]), "content": content}}
    except (KeyError, TypeError):
        raise RefusedError("a tool result in the conversation names no call") from None


def _tool_id(given: str) -> str:
    """The same id for call and result, in the characters and length the service allows."""
    return _NOT_IN_ID.sub("_", given)[-64:]


# ---- tools, formats, limits ------------------------------------------------------------------------------------------


def _tool_config(call: ModelCall, turns: list[Block]) -> dict[str, Any] | None:
    choice = call.params.extra.get("tool_choice")
    tools = [] if choice == "none" else [_tool(tool) for tool in call.params.tools]
    if not tools:
        # Calls in the conversation need a configuration even when no tool may be used now.
        used = [block["toolUse"]["name"] for turn in turns for block in turn["content"] if "toolUse" in block]
        tools = [
            {"toolSpec": {"name": name, "inputSchema": {"json": _ANY_OBJECT}}} for name in dict.fromkeys(used)
        ]
        return {"tools": tools} if tools else None
    if choice == "required":
        return {"tools": tools, "toolChoice": {"any": {}}}
    if isinstance(choice, Mapping):
        name = (choice.get("function") or {}).get("name")
        return {"tools": tools, "toolChoice": {"tool": {"name": name}}}
    return {"tools": tools}


def _tool(tool: Mapping[str, Any]) -> Block:
    function = tool.get("function")
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise RefusedError("this model takes tools of type function only")
    spec: Block = {
        "name": function["name"],
        "inputSchema": {"json": function.get("parameters") or {"type": "object", "properties": {}}},
    }
    if function.get("description"):
        spec["description"] = function["description"]
    if function.get("strict") is not None:
        spec["strict"] = bool(function["strict"])
    return {"toolSpec": spec}


def _schema(call: ModelCall) -> Mapping[str, Any]:
    wanted = call.params.response_format or {}
    inner = wanted.get("json_schema") or {}
    return inner if isinstance(inner, Mapping) else {}


def _answer_tool(call: ModelCall) -> dict[str, Any]:
    spec = {
        "name": ANSWER_TOOL,
        "description": _schema(call).get("description") or "Gives the answer to the user.",
        "inputSchema": {"json": _schema(call).get("schema") or _ANY_OBJECT},
    }
    return {"tools": [{"toolSpec": spec}], "toolChoice": {"tool": {"name": ANSWER_TOOL}}}


def _output_config(call: ModelCall) -> dict[str, Any]:
    inner = _schema(call)
    definition: Block = {"schema": orjson.dumps(inner.get("schema") or _ANY_OBJECT).decode()}
    for name in ("name", "description"):
        if inner.get(name):
            definition[name] = inner[name]
    return {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": definition}}}


def _inference(call: ModelCall) -> dict[str, Any]:
    params, extra = call.params, call.params.extra
    stop = extra.get("stop")
    settings = {
        "maxTokens": extra.get("max_completion_tokens") or params.max_tokens,
        # OpenAI allows up to 2, the service up to 1, which is as random as it gets there.
        "temperature": None if params.temperature is None else min(params.temperature, 1.0),
        "topP": extra.get("top_p"),
        "stopSequences": [stop] if isinstance(stop, str) else stop or None,
    }
    return {name: value for name, value in settings.items() if value is not None}
