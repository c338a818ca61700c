"""Which Converse requests Bedrock would refuse: checked against botocore's own description of the service.

The client library checks some of this itself; a hand-written client does not, and neither checks the rules
about turns. Message texts follow the service's own wording where it is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib import import_module
from itertools import pairwise
from typing import Any


class RequestRefusedError(Exception):
    """The request breaks the service's rules; AWS answers 400 `ValidationException` with this message."""


@lru_cache(maxsize=1)
def service() -> Any:
    """The description of bedrock-runtime."""
    # Loaded on the first request: reading the service model takes longer than starting the stand-in.
    description = (
        import_module("botocore.loaders").Loader().load_service_model("bedrock-runtime", "service-2")
    )
    return import_module("botocore.model").ServiceModel(description)


def check_converse(operation: str, model: str, body: Mapping[str, Any]) -> None:
    """Accept a body of `Converse` or `ConverseStream`. Raises `RequestRefusedError` naming what is wrong."""
    shape = service().operation_model(operation).input_shape
    if "modelId" in body:
        raise RequestRefusedError('Unknown parameter in input: "modelId"')
    params = {**body, "modelId": model}
    try:
        report = import_module("botocore.validate").ParamValidator().validate(params, shape)
        problems = (
            [report.generate_report()] if report.has_errors() else list(_limits(params, shape, "input"))
        )
    except RecursionError:
        problems = ["The request is nested too deeply."]
    problems = problems or list(_turn_problems(body)) + list(_prefill_problems(model, body))
    if problems:
        raise RequestRefusedError("; ".join(problems[:5])[:2_000])


def _limits(value: Any, shape: Any, path: str) -> Iterator[str]:
    """Enumerations and upper limits, which botocore's validator leaves to the service."""
    if shape.type_name == "structure":
        if getattr(shape, "is_document_type", False):
            return
        for name, inner in value.items():
            yield from _limits(inner, shape.members[name], f"{path}.{name}")
    elif shape.type_name == "list":
        for index, inner in enumerate(value):
            yield from _limits(inner, shape.member, f"{path}.{index}")
    else:
        yield from _leaf_limits(value, shape, path)


def _leaf_limits(value: Any, shape: Any, path: str) -> Iterator[str]:
    allowed = shape.metadata.get("enum")
    if allowed and value not in allowed:
        yield f"Value at '{path}' failed to satisfy constraint: Member must satisfy enum value set: {allowed}"
    most = shape.metadata.get("max")
    if most is not None and isinstance(value, int | float) and value > most:
        yield f"Value at '{path}' failed to satisfy constraint: Member must be less than or equal to {most}"
    if most is not None and isinstance(value, str) and len(value) > most:
        yield f"Value at '{path}' failed to satisfy constraint: Member must have length at most {most}"


def _turn_problems(body: Mapping[str, Any]) -> Iterator[str]:
    """The rules about the order of turns, which no shape expresses."""
    turns = [message for message in body.get("messages", []) if message["role"] != "system"]
    if not turns:
        yield "The messages field is empty. Add at least one message and try again."
        return
    if turns[0]["role"] != "user":
        yield "A conversation must start with a user message. Try again with a conversation that starts with one."
    if any(first["role"] == second["role"] for first, second in pairwise(turns)):
        yield "A conversation must alternate between user and assistant roles."
    for number, message in enumerate(turns):
        yield from _content_problems(number, message, body)
        yield from _tool_result_problems(number, message, turns[number - 1] if number else None)


def _content_problems(number: int, message: Mapping[str, Any], body: Mapping[str, Any]) -> Iterator[str]:
    if not message["content"]:
        yield f"The content field in the Message object at messages.{number} is empty."
    for index, block in enumerate(message["content"]):
        if "text" in block and not block["text"].strip():
            yield f"The text field in the ContentBlock object at messages.{number}.content.{index} is blank."
        if ("toolUse" in block or "toolResult" in block) and "toolConfig" not in body:
            yield "The toolConfig field must be defined when using toolUse and toolResult content blocks."


def _tool_result_problems(
    number: int, message: Mapping[str, Any], before: Mapping[str, Any] | None
) -> Iterator[str]:
    given = {block["toolResult"]["toolUseId"] for block in message["content"] if "toolResult" in block}
    asked = {
        block["toolUse"]["toolUseId"] for block in (before or {}).get("content", []) if "toolUse" in block
    }
    if given - asked:
        yield f"The toolResult blocks at messages.{number}.content name a toolUseId the previous turn does not have."
    if asked - given and message["role"] == "user":
        yield f"Expected toolResult blocks at messages.{number}.content for the Ids: {', '.join(sorted(asked - given))}"


def _prefill_problems(model: str, body: Mapping[str, Any]) -> Iterator[str]:
    last = body["messages"][-1] if body.get("messages") else None
    if last is None or last["role"] != "assistant" or "anthropic." not in model:
        return
    texts = [block["text"] for block in last["content"] if "text" in block]
    if texts and texts[-1] != texts[-1].rstrip():
        yield "messages: final assistant content cannot end with trailing whitespace"
