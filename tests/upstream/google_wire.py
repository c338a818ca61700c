"""The answers of Google's Gemini API, taken apart for `Fault`s: events that each hold a piece of an answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.upstream.faults import Answer, Fault
from tests.upstream.sequence import count_words, words_after

_WORDS = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE"}  # fmt: skip


def google_answer(path: str, body: Mapping[str, Any], fault: Fault, length: int) -> Answer:
    """The parts of an answer to generateContent or streamGenerateContent."""
    contents = body.get("contents") or [{}]
    last = contents[-1]
    prefix = _text(last) if last.get("role") == "model" else ""
    limit = (body.get("generationConfig") or {}).get("maxOutputTokens")
    words, cut = words_after(prefix, length, limit)
    calls = bool(body.get("tools"))
    asked = [_text(content) for content in contents if content.get("role") == "user"]
    counted = {
        "promptTokenCount": count_words(" ".join(asked)),
        "candidatesTokenCount": 4 if calls else len(words),
    }
    usage = {} if fault.kind == "no_usage" else {"usageMetadata": counted}
    reason = "MAX_TOKENS" if cut else "STOP"
    if fault.kind == "truncated_tool_json":
        # Arguments are an object here; what the model broke off is told by the reason.
        reason = "MALFORMED_FUNCTION_CALL"
    ended = {"candidates": [{**_candidate([]), "finishReason": reason}]}
    # The API's only end mark; one that does not stand by itself comes with the counts.
    last_event = (
        {**ended, "usageMetadata": counted} if fault.kind == "no_finish" else {"usageMetadata": counted}
    )
    call = {"functionCall": {"name": "act", "args": {"value": "w0 w1 w2"}}}
    pieces = [[call]] if calls else [[{"text": word}] for word in words]
    whole = [part for piece in pieces for part in ([call] if calls else piece)]
    if fault.kind == "oversized":
        whole = [{"text": "x" * fault.size_bytes}]
    word = fault.error or _WORDS.get(fault.status, "INVALID_ARGUMENT")
    error = {"error": {"code": fault.status, "message": "scripted fault", "status": word}}
    return Answer(
        streams=":stream" in path,
        content_type="text/event-stream",
        opening=b"",
        tokens=tuple(_event({"candidates": [_candidate(piece)]}) for piece in pieces),
        finish=_event(ended),
        usage=_event(last_event),
        done=b"",
        malformed=b'data: {"candidates": [{"content": {"parts\n\n',
        error=_event(error),
        oversized=_event({"candidates": [_candidate([{"text": "x" * fault.size_bytes}])]})
        if fault.kind == "oversized"
        else b"",
        whole={
            "candidates": [{**_candidate(whole), "finishReason": reason}],
            **usage,
            "modelVersion": "test-model",
        },
        error_body=error,
    )


def _candidate(parts: list[dict[str, Any]]) -> dict[str, Any]:
    return {"content": {"role": "model", "parts": parts}, "index": 0}


def _text(content: Mapping[str, Any]) -> str:
    return "".join(part.get("text", "") for part in content.get("parts") or ())


def _event(value: object) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\r\n\r\n"
