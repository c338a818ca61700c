"""Chat messages, tools and response formats in OpenAI's form, as every body of ours carries them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from gateway.http.wire.fields import Name

FunctionName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class ImageUrl(Struct, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Only `data:` URLs: a server that fetches what a client names can be sent anywhere."""

    url: str
    detail: Literal["auto", "low", "high"] | None = None


class InputAudio(Struct, forbid_unknown_fields=True, gc=False):
    data: str
    format: Literal["wav", "mp3"]


class TextPart(Struct, tag_field="type", tag="text", omit_defaults=True, gc=False):
    text: str


class ImagePart(Struct, tag_field="type", tag="image_url", omit_defaults=True):
    image_url: ImageUrl


class AudioPart(Struct, tag_field="type", tag="input_audio", omit_defaults=True):
    input_audio: InputAudio


class RefusalPart(Struct, tag_field="type", tag="refusal", omit_defaults=True, gc=False):
    """An earlier refusal of the assistant's, as OpenAI's clients send it back in a history."""

    refusal: str


class CalledFunction(Struct, omit_defaults=True, gc=False):
    name: FunctionName
    arguments: str


class ToolCall(Struct, omit_defaults=True):
    id: Name
    function: CalledFunction
    type: Literal["function"] = "function"


Content = str | list[TextPart | ImagePart | AudioPart | RefusalPart]


class Message(Struct, omit_defaults=True):
    """One message. Fields OpenAI knows and tiers do not (`audio`, ...) are accepted and left out."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Content | None = None
    refusal: str | None = None
    name: Annotated[str, Meta(max_length=64)] | None = None
    tool_calls: Annotated[list[ToolCall], Meta(max_length=128)] | None = None
    tool_call_id: Name | None = None


class StrictTextPart(TextPart, tag="text", omit_defaults=True, gc=False, forbid_unknown_fields=True):
    """A part on our own paths."""


class StrictImagePart(ImagePart, tag="image_url", omit_defaults=True, forbid_unknown_fields=True):
    """A part on our own paths."""


class StrictAudioPart(AudioPart, tag="input_audio", omit_defaults=True, forbid_unknown_fields=True):
    """A part on our own paths."""


class StrictCalledFunction(CalledFunction, omit_defaults=True, gc=False, forbid_unknown_fields=True):
    """A call on our own paths."""


class StrictToolCall(ToolCall, omit_defaults=True, forbid_unknown_fields=True):
    """A call on our own paths."""

    function: StrictCalledFunction


class StrictMessage(Message, omit_defaults=True, forbid_unknown_fields=True):
    """The same on our own paths, where an unknown field is a mistake worth naming, however deep it stands."""

    content: str | list[StrictTextPart | StrictImagePart | StrictAudioPart] | None = None  # type: ignore[assignment]  # lists are read here, never extended
    tool_calls: Annotated[list[StrictToolCall], Meta(max_length=128)] | None = None  # type: ignore[assignment]  # as above


class Function(Struct, omit_defaults=True):
    """A tool's signature; `parameters` is a JSON schema of the caller's."""

    name: FunctionName
    description: Annotated[str, Meta(max_length=8192)] | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(Struct, omit_defaults=True):
    function: Function
    type: Literal["function"] = "function"


class StrictFunction(Function, omit_defaults=True, forbid_unknown_fields=True):
    """A tool's signature on our own paths."""


class StrictTool(Struct, omit_defaults=True, forbid_unknown_fields=True):
    function: StrictFunction
    type: Literal["function"] = "function"


class NamedFunction(Struct, gc=False):
    name: FunctionName


class NamedTool(Struct):
    function: NamedFunction
    type: Literal["function"] = "function"


class StrictNamedFunction(NamedFunction, gc=False, forbid_unknown_fields=True):
    """A choice on our own paths."""


class StrictNamedTool(NamedTool, forbid_unknown_fields=True):
    """A choice on our own paths."""

    function: StrictNamedFunction


ToolChoice = Literal["none", "auto", "required"] | NamedTool
StrictToolChoice = Literal["none", "auto", "required"] | StrictNamedTool


class TextFormat(Struct, tag_field="type", tag="text", forbid_unknown_fields=True, gc=False):
    pass


class JsonFormat(Struct, tag_field="type", tag="json_object", forbid_unknown_fields=True, gc=False):
    pass


class JsonSchema(Struct, omit_defaults=True, forbid_unknown_fields=True):
    name: FunctionName
    schema: dict[str, Any] | None = None
    description: Annotated[str, Meta(max_length=8192)] | None = None
    strict: bool | None = None


class SchemaFormat(Struct, tag_field="type", tag="json_schema", forbid_unknown_fields=True):
    json_schema: JsonSchema


ResponseFormat = TextFormat | JsonFormat | SchemaFormat
