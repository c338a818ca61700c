"""The answers of Bedrock's Converse and ConverseStream, taken apart for `Fault`s. Signatures are not checked here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.sandbox.eventstream import CONTENT_TYPE, event, exception
from tests.upstream.faults import Answer, Fault
from tests.upstream.sequence import count_words, words_after

_CODES = {
    400: "ValidationException",
    403: "AccessDeniedException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    500: "InternalServerException",
}
_ARGUMENTS = '{"value": "w0 w1 w2"}'


def bedrock_answer(path: str, body: Mapping[str, Any], fault: Fault, length: int) -> Answer:
    """The parts of an answer to a Converse or ConverseStream request."""
    words, cut = words_after(_prefix(body), length, body.get("inferenceConfig", {}).get("maxTokens"))
    calls = "toolConfig" in body
    arguments = _ARGUMENTS[:-6] if fault.kind == "truncated_tool_json" else _ARGUMENTS
    pieces = [arguments[i : i + 4] for i in range(0, len(arguments), 4)] if calls else words
    stop = "tool_use" if calls else "max_tokens" if cut else "end_turn"
    counts = {"usage": _usage(body, len(pieces)), "metrics": {"latencyMs": 1}}
    ending = event("contentBlockStop", {"contentBlockIndex": 0}) + event("messageStop", {"stopReason": stop})
    content = {"toolUse": {"toolUseId": "t0", "name": "act", "input": {"value": "w0 w1 w2"}}}
    text = "x" * fault.size_bytes if fault.kind == "oversized" else "".join(words)
    message = {"role": "assistant", "content": [content if calls else {"text": text}]}
    whole = {"output": {"message": message}, "stopReason": stop, **counts}
    in_stream = fault.error or "ThrottlingException"
    code = fault.error or _CODES.get(fault.status, "ServiceUnavailableException")
    missing = {"no_finish": "stopReason", "no_usage": "usage"}.get(fault.kind)
    return Answer(
        streams=path.endswith("/converse-stream"),
        content_type=CONTENT_TYPE,
        opening=_opening(calls),
        tokens=tuple(_token(piece, calls) for piece in pieces),
        finish=ending,
        usage=event("metadata", counts),
        done=b"",
        malformed=_with_wrong_checksum(_token("w", calls)),
        error=exception(in_stream[0].lower() + in_stream[1:], "scripted fault"),
        oversized=_token("x" * fault.size_bytes, calls) if fault.kind == "oversized" else b"",
        whole={key: value for key, value in whole.items() if key != missing},
        error_body={"message": "scripted fault"},
        error_headers={"x-amzn-errortype": code},
    )


def _prefix(body: Mapping[str, Any]) -> str:
    last = body["messages"][-1]
    return "".join(block.get("text", "") for block in last["content"]) if last["role"] == "assistant" else ""


def _usage(body: Mapping[str, Any], made: int) -> dict[str, int]:
    blocks = [block for message in body["messages"] for block in message["content"]]
    prompt = count_words(" ".join(block.get("text", "") for block in blocks))
    return {"inputTokens": prompt, "outputTokens": made, "totalTokens": prompt + made}


def _opening(calls: bool) -> bytes:
    first = event("messageStart", {"role": "assistant"})
    if not calls:
        return first
    start = {"toolUse": {"toolUseId": "t0", "name": "act"}}
    return first + event("contentBlockStart", {"contentBlockIndex": 0, "start": start})


def _token(piece: str, calls: bool) -> bytes:
    delta: dict[str, Any] = {"toolUse": {"input": piece}} if calls else {"text": piece}
    return event("contentBlockDelta", {"contentBlockIndex": 0, "delta": delta})


def _with_wrong_checksum(frame: bytes) -> bytes:
    return frame[:-1] + bytes([frame[-1] ^ 0xFF])
