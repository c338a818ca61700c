"""The body of `/v1/responses`, as far as it needs nothing stored between two calls."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from gateway.http.wire import fields
from gateway.http.wire.inference import TierwiseBody
from gateway.http.wire.messages import FunctionName

Schema = dict[str, Any]
Description = Annotated[str, Meta(max_length=8192)]


class InputText(Struct, tag_field="type", tag="input_text", gc=False):
    text: str


class OutputText(Struct, tag_field="type", tag="output_text", gc=False):
    text: str


class InputImage(Struct, tag_field="type", tag="input_image", gc=False):
    image_url: str
    detail: Literal["auto", "low", "high"] | None = None


class Item(Struct):
    """One item of the conversation; which fields it needs depends on `type`, where none means a message."""

    type: Literal["message", "function_call", "function_call_output", "reasoning"] | None = None
    role: Literal["user", "assistant", "system", "developer"] | None = None
    content: str | list[InputText | OutputText | InputImage] | None = None
    name: FunctionName | None = None
    arguments: str | None = None
    call_id: fields.Name | None = None
    output: str | list[InputText | OutputText | InputImage] | None = None


class FunctionTool(Struct):
    """A tool of the caller's; tools that a provider would run are not offered."""

    name: FunctionName
    type: Literal["function"]
    parameters: Schema | None = None
    description: Description | None = None
    strict: bool | None = None


class FunctionChoice(Struct):
    name: FunctionName
    type: Literal["function"] = "function"


class PlainText(Struct, tag_field="type", tag="text", gc=False):
    pass


class JsonObject(Struct, tag_field="type", tag="json_object", gc=False):
    pass


class JsonSchemaText(Struct, tag_field="type", tag="json_schema"):
    name: FunctionName
    schema: Schema
    description: Description | None = None
    strict: bool | None = None


class TextConfig(Struct):
    format: PlainText | JsonObject | JsonSchemaText | None = None


class Reasoning(Struct):
    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None


class ResponsesBody(Struct, kw_only=True):
    """`previous_response_id`, `conversation`, `store: true` and `background: true` need storage and are refused."""

    model: fields.Name
    input: (
        Annotated[str, Meta(min_length=1)]
        | Annotated[list[Item], Meta(min_length=1, max_length=fields.MAX_MESSAGES)]
    )
    instructions: str | None = None
    max_output_tokens: fields.TokensOrNone | None = None
    temperature: fields.Temperature | None = None
    top_p: fields.Fraction | None = None
    stream: bool | None = None
    tools: Annotated[list[FunctionTool], Meta(max_length=128)] | None = None
    tool_choice: Literal["none", "auto", "required"] | FunctionChoice | None = None
    parallel_tool_calls: bool | None = None
    text: TextConfig | None = None
    reasoning: Reasoning | None = None
    metadata: fields.Metadata | None = None
    store: bool | None = None
    background: bool | None = None
    previous_response_id: str | None = None
    conversation: Any = None
    user: fields.ShortText | None = None
    tierwise: TierwiseBody | None = None


class StrictResponsesBody(ResponsesBody, kw_only=True, forbid_unknown_fields=True):
    """The same where nothing is to be ignored."""
