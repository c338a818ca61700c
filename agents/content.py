"""The text that a request shows to a target, in one place: what is scanned must be what is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from router_core.context import AUDIO, IMAGE, TEXT
from router_core.inference import InferenceRequest, Message
from router_core.record import dataclass

IMAGE_TOKENS: Final = 800
AUDIO_TOKENS: Final = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """The request's text: the last user turn, everything else, and which modalities came with it."""

    last: str
    rest: str
    modalities: int
    media_tokens: int


def read_content(messages: tuple[Message, ...]) -> Content:
    """Split the text into the last user turn and the rest, and find the modalities."""
    if len(messages) == 1 and isinstance(text := messages[0].get("content"), str):
        return Content(last=text, rest="", modalities=TEXT, media_tokens=0)
    last, rest, modalities, media = "", [], TEXT, 0
    for message in messages:
        text, bits, tokens = _message_text(message)
        modalities |= bits
        media += tokens
        if message.get("role") == "user":
            if last:
                rest.append(last)
            last = text
        elif text:
            rest.append(text)
    return Content(last=last, rest="\n".join(rest), modalities=modalities, media_tokens=media)


def message_text(message: Message) -> str:
    """The text of one message, arguments of tool calls included."""
    return _message_text(message)[0]


def _message_text(message: Message) -> tuple[str, int, int]:
    content = message.get("content")
    calls = "".join(_arguments(call) for call in message.get("tool_calls") or ())
    if isinstance(content, str):
        return (f"{content}\n{calls}" if calls else content), TEXT, 0
    texts, bits, tokens = [calls] if calls else [], TEXT, 0
    for part in content or ():
        kind = part.get("type")
        if kind == "text":
            texts.append(part.get("text", ""))
        elif kind == "image_url":
            bits, tokens = bits | IMAGE, tokens + IMAGE_TOKENS
        elif kind == "input_audio":
            bits, tokens = bits | AUDIO, tokens + AUDIO_TOKENS
    return "\n".join(texts), bits, tokens


def _arguments(call: Mapping[str, Any]) -> str:
    arguments = (call.get("function") or {}).get("arguments")
    return arguments if isinstance(arguments, str) else ""


def whole_text(request: InferenceRequest) -> str:
    """All text that a target would see."""
    content = read_content(request.messages)
    return "\n".join(text for text in (content.rest, beside_messages(request), content.last) if text)


def beside_messages(request: InferenceRequest) -> str:
    """Text that goes to a target outside the messages' content: tools, format, stop texts, names."""
    params = request.params
    parts: list[object] = [message["name"] for message in request.messages if "name" in message]
    parts += params.tools
    parts += [given for given in (params.response_format, params.extra.get("stop"), request.user) if given]
    return "\n".join(map(str, parts))
