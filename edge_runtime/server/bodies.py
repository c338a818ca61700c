"""Request bodies of the local server, read with suspicion, and its answers in OpenAI's form."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from router_core.execution import EmbeddingAnswer, ModelAnswer, Usage

MAX_MESSAGES: Final = 256
MAX_INPUTS: Final = 256


class BodyError(Exception):
    """400; the sentence is for the caller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A chat request: what of it this server reads."""

    messages: tuple[Mapping[str, Any], ...]
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
        stream=body.get("stream") is True,
        include_usage=isinstance(options, dict) and options.get("include_usage") is True,
    )


def inputs(body: Mapping[str, Any]) -> tuple[str, ...]:
    """The texts to embed. Raises `BodyError`."""
    given = body.get("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not 0 < len(texts) <= MAX_INPUTS:
        raise BodyError(f"`input` must be a text or 1 to {MAX_INPUTS} texts")
    if not all(isinstance(text, str) and text for text in texts):
        raise BodyError("`input` must hold texts that are not empty")
    if body.get("encoding_format", "float") != "float":
        raise BodyError("vectors come as numbers: `encoding_format` must be float")
    return tuple(texts)


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
                "finish_reason": "stop",
                "logprobs": None,
            }
        ],
        "usage": _usage(None if answer is None else answer.usage),
    }


def chunks(whole: Mapping[str, Any], *, include_usage: bool) -> list[bytes]:
    """The same answer as a stream."""
    head = {key: whole[key] for key in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
    message = whole["choices"][0]["message"]
    said = {"content": message["content"]} if message["refusal"] is None else {"refusal": message["refusal"]}
    parts: list[dict[str, Any]] = [
        {
            **head,
            "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}],
        },
        {**head, "choices": [{"index": 0, "delta": said, "finish_reason": None}]},
        {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    ]
    if include_usage:
        parts.append({**head, "choices": [], "usage": whole["usage"]})
    return [b"data: %b\n\n" % dumps(part) for part in parts] + [b"data: [DONE]\n\n"]


def vectors(model: str, answer: EmbeddingAnswer) -> dict[str, Any]:
    """Embeddings in OpenAI's form."""
    tokens = answer.usage.prompt_tokens
    return {
        "object": "list",
        "model": model,
        "data": [
            {"object": "embedding", "index": i, "embedding": list(row)}
            for i, row in enumerate(answer.vectors)
        ],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


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
