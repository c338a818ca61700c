"""From a `/v1/responses` body to chat messages, which is what every tier understands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from gateway.http.bodies import check_encodable
from gateway.http.intake import core_messages
from gateway.http.openai.intake import Asked
from gateway.http.wire import messages as chat
from gateway.http.wire.responses import (
    InputImage,
    InputText,
    Item,
    JsonObject,
    JsonSchemaText,
    OutputText,
    PlainText,
    ResponsesBody,
)
from router_core.errors import RequestError
from router_core.inference import Params

Parts = Sequence[InputText | OutputText | InputImage]


def of_responses(body: ResponsesBody) -> Asked:
    """A Responses body's own fields; raises RequestError for what needs storage."""
    _check_stateless(body)
    return Asked(
        model=body.model,
        messages=core_messages(_messages(body)),
        params=Params(
            max_tokens=body.max_output_tokens or None,
            temperature=body.temperature,
            response_format=_format(body),
            tools=_tools(body),
            extra=_extra(body),
        ),
        stream=bool(body.stream),
        user=body.user,
        tierwise=body.tierwise,
    )


def _check_stateless(body: ResponsesBody) -> None:
    for name in ("previous_response_id", "conversation", "store", "background"):
        if getattr(body, name):
            raise RequestError(
                f"`{name}` needs responses to be stored, which they are not here; send the whole conversation as `input`",
                field=name,
            )


def _messages(body: ResponsesBody) -> list[chat.Message]:
    found: list[chat.Message] = []
    if body.instructions:
        found.append(chat.Message(role="system", content=body.instructions))
    if isinstance(body.input, str):
        found.append(chat.Message(role="user", content=body.input))
        return found
    for index, item in enumerate(body.input):
        _add(found, item, f"$.input[{index}]")
    return found


def _add(found: list[chat.Message], item: Item, where: str) -> None:
    if item.type in (None, "message"):
        if item.role is None or item.content is None:
            raise RequestError("a message needs `role` and `content`", field=where)
        found.append(chat.Message(role=item.role, content=_content(item.content)))
    elif item.type == "function_call":
        _add_call(found, item, where)
    elif item.type == "function_call_output":
        if item.call_id is None or item.output is None:
            raise RequestError("a function_call_output needs `call_id` and `output`", field=where)
        found.append(chat.Message(role="tool", content=_content(item.output), tool_call_id=item.call_id))
    # Reasoning items are a model's own notes; another model cannot read them.


def _add_call(found: list[chat.Message], item: Item, where: str) -> None:
    """Calls in a row belong to one assistant message."""
    if item.call_id is None or item.name is None or item.arguments is None:
        raise RequestError("a function_call needs `call_id`, `name` and `arguments`", field=where)
    call = chat.ToolCall(
        id=item.call_id, function=chat.CalledFunction(name=item.name, arguments=item.arguments)
    )
    last = found[-1] if found else None
    if last is not None and last.role == "assistant" and last.tool_calls:
        last.tool_calls.append(call)
    else:
        found.append(chat.Message(role="assistant", tool_calls=[call]))


def _content(content: str | Parts) -> chat.Content:
    if isinstance(content, str):
        return content
    parts: list[chat.TextPart | chat.ImagePart | chat.AudioPart | chat.RefusalPart] = []
    for part in content:
        if isinstance(part, InputImage):
            parts.append(chat.ImagePart(image_url=chat.ImageUrl(url=part.image_url, detail=part.detail)))
        else:
            parts.append(chat.TextPart(text=part.text))
    return parts


def _tools(body: ResponsesBody) -> tuple[dict[str, Any], ...]:
    built = []
    for tool in body.tools or ():
        function = {
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.parameters,
            "strict": tool.strict,
        }
        built.append({"type": "function", "function": {k: v for k, v in function.items() if v is not None}})
    check_encodable(built, "tools")
    return tuple(built)


def _format(body: ResponsesBody) -> dict[str, Any] | None:
    wanted = None if body.text is None else body.text.format
    if wanted is None or isinstance(wanted, PlainText):
        return None
    if isinstance(wanted, JsonObject):
        return {"type": "json_object"}
    return _schema_format(wanted)


def _schema_format(wanted: JsonSchemaText) -> dict[str, Any]:
    schema: dict[str, Any] = {"name": wanted.name, "schema": wanted.schema}
    if wanted.description is not None:
        schema["description"] = wanted.description
    if wanted.strict is not None:
        schema["strict"] = wanted.strict
    check_encodable(schema, "text.format.schema")
    return {"type": "json_schema", "json_schema": schema}


def _extra(body: ResponsesBody) -> dict[str, Any]:
    choice: Any = body.tool_choice
    if isinstance(choice, msgspec.Struct):
        choice = {"type": "function", "function": {"name": getattr(choice, "name", "")}}
    given = {
        "top_p": body.top_p,
        "tool_choice": choice,
        "parallel_tool_calls": body.parallel_tool_calls,
        "reasoning_effort": None if body.reasoning is None else body.reasoning.effort,
    }
    return {name: value for name, value in given.items() if value is not None}
