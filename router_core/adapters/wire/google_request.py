"""A `ModelCall` as Gemini's generateContent takes it: contents of two roles, a system instruction beside them, and calls of
functions as parts. What it has no word for is refused, not left out in silence where it would change the answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from router_core.errors import RefusedError
from router_core.inference import Message
from router_core.ports import ModelCall

_CONFIG: Final = {
    "top_p": "topP",
    "seed": "seed",
    "n": "candidateCount",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
    "logprobs": "responseLogprobs",
    "top_logprobs": "logprobs",
}
_MODES: Final = {"auto": "AUTO", "none": "NONE", "required": "ANY"}


def gemini_body(call: ModelCall) -> dict[str, Any]:
    """The body. Raises `RefusedError` for what cannot be said there."""
    system, contents = _contents(call)
    body: dict[str, Any] = {"contents": contents}
    if system:
        body["systemInstruction"] = {"parts": [{"text": text} for text in system]}
    if config := _config(call):
        body["generationConfig"] = config
    if call.params.tools:
        body["tools"] = [{"functionDeclarations": [_declared(tool) for tool in call.params.tools]}]
        if (choice := call.params.extra.get("tool_choice")) is not None:
            body["toolConfig"] = {"functionCallingConfig": _choice(choice)}
    return body


def _contents(call: ModelCall) -> tuple[list[str], list[dict[str, Any]]]:
    system: list[str] = []
    contents: list[dict[str, Any]] = []
    names: dict[str, str] = {}
    for message in call.messages:
        role = message.get("role")
        if role in ("system", "developer"):
            system.append(_text(message))
        elif role == "tool":
            _add(contents, "user", [_result(message, names)])
        elif role == "assistant":
            _add(contents, "model", _said(message, names))
        else:
            _add(contents, "user", _parts(message))
    if call.continuation is not None:
        _add(contents, "model", [{"text": call.continuation}])
    if not contents:
        raise RefusedError("a request without a user's turn is not taken by this target")
    return system, contents


def _add(contents: list[dict[str, Any]], role: str, parts: list[dict[str, Any]]) -> None:
    """Turns alternate: what the same one says twice in a row is one turn."""
    if not parts:
        return
    if contents and contents[-1]["role"] == role:
        contents[-1]["parts"] += parts
    else:
        contents.append({"role": role, "parts": parts})


def _text(message: Message) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text", "") for part in content or ())


def _parts(message: Message) -> list[dict[str, Any]]:
    content = message.get("content")
    if isinstance(content, str):
        return [{"text": content}]
    return [_part(part) for part in content or ()]


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    kind = part.get("type")
    if kind == "text":
        return {"text": part.get("text", "")}
    if kind == "image_url":
        head, _, data = part["image_url"]["url"].partition(",")
        kind = head.removeprefix("data:").partition(";")[0]
        return {"inlineData": {"mimeType": kind, "data": data}}
    if kind == "input_audio":
        audio = part["input_audio"]
        return {"inlineData": {"mimeType": f"audio/{audio['format']}", "data": audio["data"]}}
    raise RefusedError("this target does not take such a part of a message")


def _said(message: Message, names: dict[str, str]) -> list[dict[str, Any]]:
    parts = _parts(message) if message.get("content") else []
    for call in message.get("tool_calls") or ():
        function = call["function"]
        names[call.get("id") or ""] = function["name"]
        parts.append({"functionCall": {"name": function["name"], "args": _arguments(function)}})
    return parts


def _arguments(function: Mapping[str, Any]) -> dict[str, Any]:
    try:
        found = orjson.loads(function.get("arguments") or "{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise RefusedError("a tool call in the conversation has arguments that are no JSON object")
    return found


def _result(message: Message, names: Mapping[str, str]) -> dict[str, Any]:
    """A tool's answer by the name of its function, which only the call before it tells."""
    name = names.get(message.get("tool_call_id") or "") or message.get("name")
    if not name:
        raise RefusedError("a tool message answers a call that is not in the conversation")
    text = _text(message)
    try:
        found = orjson.loads(text)
    except ValueError:
        found = None
    response = found if isinstance(found, dict) else {"result": text}
    return {"functionResponse": {"name": name, "response": response}}


def _config(call: ModelCall) -> dict[str, Any]:
    params = call.params
    config: dict[str, Any] = {
        ours: params.extra[name] for name, ours in _CONFIG.items() if params.extra.get(name) is not None
    }
    limit = params.max_tokens or params.extra.get("max_completion_tokens")
    given = {"maxOutputTokens": limit, "temperature": params.temperature}
    config |= {name: value for name, value in given.items() if value is not None}
    if (stop := params.extra.get("stop")) is not None:
        config["stopSequences"] = [stop] if isinstance(stop, str) else list(stop)
    if params.response_format is not None and params.wants_json:
        config["responseMimeType"] = "application/json"
        schema = (params.response_format.get("json_schema") or {}).get("schema")
        if schema is not None:
            config["responseJsonSchema"] = schema
    return config


def _declared(tool: Mapping[str, Any]) -> dict[str, Any]:
    function = tool["function"]
    made: dict[str, Any] = {"name": function["name"]}
    if function.get("description"):
        made["description"] = function["description"]
    if function.get("parameters"):
        made["parametersJsonSchema"] = function["parameters"]
    return made


def _choice(choice: object) -> dict[str, Any]:
    if isinstance(choice, str):
        return {"mode": _MODES.get(choice, "AUTO")}
    name = choice["function"]["name"] if isinstance(choice, Mapping) else ""
    return {"mode": "ANY", "allowedFunctionNames": [name]}
