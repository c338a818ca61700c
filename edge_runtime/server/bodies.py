"""Request bodies of the local server, read with suspicion, and its answers in OpenAI's form."""

from __future__ import annotations

import base64
import json
import secrets
import struct
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from router_core.execution import Chunk, EmbeddingAnswer, ModelAnswer, Usage
from router_core.inference import Params

MAX_MESSAGES: Final = 256
MAX_INPUTS: Final = 256
MAX_TOKENS: Final = 131_072
FORMS: Final = ("text", "json_object", "json_schema")
MAX_STOPS: Final = 4
MAX_STOP_CHARS: Final = 64


class BodyError(Exception):
    """400; the sentence is for the caller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A chat request: what of it this server reads."""

    messages: tuple[Mapping[str, Any], ...]
    params: Params
    stream: bool
    include_usage: bool


def parsed(raw: bytes) -> dict[str, Any]:
    """The JSON object. Raises `BodyError`."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise BodyError("the body is not JSON") from error
    if not isinstance(body, dict):
        raise BodyError("the body must be an object")
    return body


def chat(body: Mapping[str, Any]) -> Asked:
    """Raises `BodyError`. What asks for another form of answer than this model has is refused, not ignored."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not 0 < len(messages) <= MAX_MESSAGES:
        raise BodyError(f"`messages` must hold 1 to {MAX_MESSAGES} messages")
    for message in messages:
        if not isinstance(message, dict) or not _is_content(message.get("content")):
            raise BodyError("a message needs a `role` and a `content` of text")
    if body.get("tools") or body.get("n") not in (None, 1) or body.get("logprobs"):
        raise BodyError("this model gives one plain answer: no tools, no logprobs, n = 1")
    options = body.get("stream_options")
    return Asked(
        messages=tuple(messages),
        params=_params(body),
        stream=body.get("stream") is True,
        include_usage=isinstance(options, dict) and options.get("include_usage") is True,
    )


def _params(body: Mapping[str, Any]) -> Params:
    most = body.get("max_completion_tokens", body.get("max_tokens"))
    if most is not None and (type(most) is not int or not 1 <= most <= MAX_TOKENS):
        raise BodyError(f"`max_tokens` must be a whole number from 1 to {MAX_TOKENS}")
    form = body.get("response_format")
    if form is not None and not (isinstance(form, dict) and form.get("type") in FORMS):
        raise BodyError(f"`response_format` must be an object whose `type` is one of {', '.join(FORMS)}")
    stop = body.get("stop")
    stops = [stop] if isinstance(stop, str) else stop or []
    if not isinstance(stops, list) or len(stops) > MAX_STOPS or not all(map(_is_stop, stops)):
        raise BodyError(
            f"`stop` must be a text or at most {MAX_STOPS} texts of at most {MAX_STOP_CHARS} characters"
        )
    extra: dict[str, Any] = {"stop": tuple(stops)} if stops else {}
    if body.get("top_p") is not None:
        extra["top_p"] = _number(body, "top_p", 1.0)
    temperature = None if body.get("temperature") is None else _number(body, "temperature", 2.0)
    return Params(max_tokens=most, temperature=temperature, response_format=form, extra=extra)


def _number(body: Mapping[str, Any], name: str, high: float) -> float:
    value = body[name]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0.0 <= value <= high:
        raise BodyError(f"`{name}` must be a number from 0 to {high:g}")
    return float(value)


def _is_stop(stop: object) -> bool:
    return isinstance(stop, str) and 0 < len(stop) <= MAX_STOP_CHARS


def inputs(body: Mapping[str, Any]) -> tuple[tuple[str, ...], bool]:
    """The texts to embed, and whether their vectors go as base64, which OpenAI's own clients ask for. Raises `BodyError`."""
    given = body.get("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not 0 < len(texts) <= MAX_INPUTS:
        raise BodyError(f"`input` must be a text or 1 to {MAX_INPUTS} texts")
    if not all(isinstance(text, str) and text for text in texts):
        raise BodyError("`input` must hold texts that are not empty")
    form = body.get("encoding_format", "float")
    if form not in ("float", "base64"):
        raise BodyError("`encoding_format` must be float or base64")
    return tuple(texts), form == "base64"


def completion(model: str, answer: ModelAnswer | None, refusal: str | None) -> dict[str, Any]:
    """One whole answer; a model that is not sure says so in `refusal`, where OpenAI puts it."""
    text = None if answer is None else answer.choices[0].text
    return {
        "id": f"chatcmpl-{secrets.token_hex(12)}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, "refusal": refusal},
                "finish_reason": "stop" if answer is None else answer.choices[0].finish_reason,
                "logprobs": None,
            }
        ],
        "usage": _usage(None if answer is None else answer.usage),
    }


class Chunks:
    """The same answer as a stream of events."""

    def __init__(self, model: str, *, include_usage: bool) -> None:
        self._head = {
            "id": f"chatcmpl-{secrets.token_hex(12)}",
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": model,
        }
        self._include_usage = include_usage

    def begin(self) -> bytes:
        """What comes before any text."""
        return self._event({"role": "assistant", "content": ""})

    def piece(self, chunk: Chunk) -> bytes:
        """A piece of text, or how it ended; nothing for what is only counted."""
        said = self._event({"content": chunk.text}) if chunk.text else b""
        return said + (self._event({}, chunk.finish_reason) if chunk.finish_reason else b"")

    def refused(self, refusal: str) -> bytes:
        """A model that is not sure says so where OpenAI puts it."""
        return self._event({"refusal": refusal}) + self._event({}, "stop")

    def end(self, usage: Usage | None) -> bytes:
        """The usage where it was asked for, and the end."""
        told = b""
        if self._include_usage:
            told = b"data: %b\n\n" % dumps({**self._head, "choices": [], "usage": _usage(usage)})
        return told + b"data: [DONE]\n\n"

    def _event(self, delta: Mapping[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return b"data: %b\n\n" % dumps({**self._head, "choices": [choice]})


def vectors(model: str, answer: EmbeddingAnswer, *, as_base64: bool) -> dict[str, Any]:
    """Embeddings in OpenAI's form; base64 holds little-endian 32-bit floats."""
    tokens = answer.usage.prompt_tokens
    return {
        "object": "list",
        "model": model,
        "data": [
            {"object": "embedding", "index": i, "embedding": _packed(row) if as_base64 else list(row)}
            for i, row in enumerate(answer.vectors)
        ],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def _packed(row: Sequence[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(row)}f", *row)).decode("ascii")


def error_body(message: str, kind: str, status: int) -> bytes:
    """An error in vLLM's form."""
    return dumps({"error": {"message": message, "type": kind, "param": None, "code": status}})


def dumps(value: object) -> bytes:
    """Compact JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _usage(usage: Usage | None) -> dict[str, int]:
    used = usage or Usage()
    return {
        "prompt_tokens": used.prompt_tokens,
        "completion_tokens": used.completion_tokens,
        "total_tokens": used.total_tokens,
    }


def _is_content(content: object) -> bool:
    if isinstance(content, str) or content is None:
        return True
    return isinstance(content, list) and all(
        isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)
        for part in content
    )
