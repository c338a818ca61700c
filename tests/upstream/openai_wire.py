"""The answers of an OpenAI-compatible server, taken apart for `Fault`s."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.upstream.faults import Answer, Fault
from tests.upstream.sequence import count_words, words_after

_ARGUMENTS = '{"value": "w0 w1 w2"}'
_STATUS_TYPES = {429: "RateLimitError", 500: "InternalServerError", 503: "ServiceUnavailableError"}


def openai_answer(path: str, body: Mapping[str, Any], fault: Fault, length: int) -> Answer:
    """The parts of an answer to a chat or completions request."""
    chat = path.endswith("/chat/completions")
    prefix = _prefix(body) if chat else ""
    words, cut = words_after(prefix, length, body.get("max_completion_tokens") or body.get("max_tokens"))
    calls = bool(chat and body.get("tools"))
    arguments = _ARGUMENTS[:-6] if fault.kind == "truncated_tool_json" else _ARGUMENTS
    pieces = [arguments[i : i + 4] for i in range(0, len(arguments), 4)] if calls else words
    writer = _Writer(chat=chat, calls=calls, model=str(body.get("model", "")))
    finish = "tool_calls" if calls else "length" if cut else "stop"
    usage = _usage(body, len(pieces))
    whole = writer.whole("".join(pieces), None if fault.kind == "no_finish" else finish)
    if fault.kind == "oversized":
        whole = writer.whole("x" * fault.size_bytes, finish)
    asked = (body.get("stream_options") or {}).get("include_usage")
    error = {"message": "scripted fault", "type": _STATUS_TYPES.get(fault.status, "BadRequestError")}
    return Answer(
        streams=bool(body.get("stream")),
        content_type="text/event-stream; charset=utf-8",
        opening=writer.opening(),
        tokens=tuple(writer.token(piece) for piece in pieces),
        finish=writer.finish(finish),
        usage=_sse({**writer.envelope(True), "choices": [], "usage": usage}) if asked else b"",
        done=b"data: [DONE]\n\n",
        malformed=b'data: {"choices": [{"delta": {"content": "w\n\n',
        error=_sse({"error": {**error, "code": fault.status}}),
        oversized=writer.token("x" * fault.size_bytes) if fault.kind == "oversized" else b"",
        whole=whole if fault.kind == "no_usage" else {**whole, "usage": usage},
        error_body={"error": {**error, "param": None, "code": fault.status}},
    )


def _prefix(body: Mapping[str, Any]) -> str:
    messages = body.get("messages") or [{}]
    last = messages[-1]
    return str(last.get("content") or "") if last.get("role") == "assistant" else ""


def _usage(body: Mapping[str, Any], made: int) -> dict[str, int]:
    texts = [str(message.get("content") or "") for message in body.get("messages", [])]
    prompt = count_words(" ".join([*texts, str(body.get("prompt", ""))]))
    return {"prompt_tokens": prompt, "completion_tokens": made, "total_tokens": prompt + made}


class _Writer:
    def __init__(self, *, chat: bool, calls: bool, model: str) -> None:
        self._chat, self._calls, self._model = chat, calls, model

    def envelope(self, chunk: bool) -> dict[str, Any]:
        kind = ("chat.completion.chunk" if chunk else "chat.completion") if self._chat else "text_completion"
        return {"id": "cmpl-fault", "object": kind, "created": 0, "model": self._model}

    def _chunk(self, content: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, **content, "logprobs": None, "finish_reason": finish}
        return _sse({**self.envelope(True), "choices": [choice]})

    def opening(self) -> bytes:
        if not self._chat:
            return b""
        first = self._chunk({"delta": {"role": "assistant", "content": ""}})
        if not self._calls:
            return first
        call = {"index": 0, "id": "call-0", "type": "function", "function": {"name": "act", "arguments": ""}}
        return first + self._chunk({"delta": {"tool_calls": [call]}})

    def token(self, piece: str) -> bytes:
        if not self._chat:
            return self._chunk({"text": piece})
        if self._calls:
            return self._chunk({"delta": {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}})
        return self._chunk({"delta": {"content": piece}})

    def finish(self, reason: str) -> bytes:
        return self._chunk({"delta": {}} if self._chat else {"text": ""}, reason)

    def whole(self, text: str, finish: str | None) -> dict[str, Any]:
        choice: dict[str, Any] = {"index": 0, "logprobs": None, "finish_reason": finish}
        if not self._chat:
            choice["text"] = text
        elif self._calls:
            call = {"id": "call-0", "type": "function", "function": {"name": "act", "arguments": text}}
            choice["message"] = {"role": "assistant", "content": None, "tool_calls": [call]}
        else:
            choice["message"] = {"role": "assistant", "content": text}
        return {**self.envelope(False), "choices": [choice]}


def _sse(value: object) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def embeddings_answer(body: Mapping[str, Any]) -> dict[str, Any]:
    """Vectors of four numbers that depend on the text's length only."""
    given = body.get("input", "")
    texts = [given] if isinstance(given, str) else list(given)
    vectors = [[float(len(text) % 7 == i) for i in range(4)] for text in texts]
    data = [{"object": "embedding", "index": i, "embedding": vector} for i, vector in enumerate(vectors)]
    tokens = sum(count_words(text) for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "model": body.get("model", ""), "data": data, "usage": usage}
