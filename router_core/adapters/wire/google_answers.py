"""Gemini's answers, stream events and errors in core terms, which are OpenAI's: finish reasons, tool calls, usage.

Every reason and every status that the API names has its entry; what it may name one day is an error, never a short answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from router_core.adapters.wire.http_errors import MAX_RETRY_AFTER_S, retry_after_s, status_error, summary
from router_core.adapters.wire.openai_sse import EventReader
from router_core.adapters.wire.openai_wire import estimate_usage
from router_core.errors import (
    RefusedError,
    TargetError,
    ThrottledError,
    UnavailableError,
)
from router_core.execution import Choice, Chunk, ModelAnswer, Usage
from router_core.ports import ModelCall

FINISH: Final[Mapping[str, str]] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    **dict.fromkeys(
        (
            "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY",
            "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION",
        ),
        "content_filter",
    ),
}  # fmt: skip
"""Reasons that end an answer properly."""
UNUSABLE: Final = frozenset(
    (
        "OTHER", "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "IMAGE_OTHER", "NO_IMAGE",
        "MISSING_THOUGHT_SIGNATURE", "MALFORMED_RESPONSE", "FINISH_REASON_UNSPECIFIED",
    )
)  # fmt: skip
"""Reasons that say that what was written is no answer."""
STATUSES: Final[Mapping[str, type[TargetError]]] = {
    "RESOURCE_EXHAUSTED": ThrottledError,
    **dict.fromkeys(("UNAVAILABLE", "INTERNAL", "UNKNOWN", "ABORTED", "CANCELLED", "DATA_LOSS", "DEADLINE_EXCEEDED"), UnavailableError),
    **dict.fromkeys(
        (
            "INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE", "UNAUTHENTICATED", "PERMISSION_DENIED",
            "NOT_FOUND", "ALREADY_EXISTS", "UNIMPLEMENTED",
        ),
        RefusedError,
    ),
}  # fmt: skip
"""What each of the API's status words means, should the number beside it be missing."""
_ACCESS: Final = ("UNAUTHENTICATED", "PERMISSION_DENIED")
_BAD_KEY: Final = "API_KEY_INVALID"
_MALFORMED: Final = "the target's answer is malformed"


def status_answer(
    status: int, headers: Mapping[bytes, bytes], body: bytes, secret: str | None
) -> TargetError:
    """The error of an answer that is none."""
    try:
        found = orjson.loads(body)
        # A stream that fails before its first event answers with a list.
        error = (found[0] if isinstance(found, list) else found).get("error")
    except (ValueError, AttributeError, IndexError):
        error = None
    return error_of(error, status, headers, secret)


def error_of(
    error: object, status: int, headers: Mapping[bytes, bytes], secret: str | None = None
) -> TargetError:
    """The core error of Google's error object, by its own number and word, else by the status it came with."""
    told: Mapping[str, Any] = error if isinstance(error, dict) else {}
    code, word = told.get("code"), str(told.get("status", ""))
    number = code if isinstance(code, int) and status == 200 else status
    if number == 400 and _has_reason(told, _BAD_KEY):
        number = 401
    kind = STATUSES.get(word)
    if number == 429 or kind is ThrottledError:
        wait = _retry_delay_s(told)
        return ThrottledError(
            "the target asks for fewer requests",
            retry_after_s=retry_after_s(headers) if wait is None else wait,
        )
    if number == 200:
        if kind is RefusedError:
            return RefusedError(
                "the target refused access" if word in _ACCESS else "the target refused the request"
            )
        return UnavailableError("the target reported an error in place of an answer")
    return status_error(number, headers, summary(told.get("message"), secret))


def _details(error: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    details = error.get("details")
    return [one for one in details if isinstance(one, dict)] if isinstance(details, list) else []


def _has_reason(error: Mapping[str, Any], reason: str) -> bool:
    return any(one.get("reason") == reason for one in _details(error))


def _retry_delay_s(error: Mapping[str, Any]) -> float | None:
    """Seconds by the RetryInfo in the details, as `34.5s`."""
    for one in _details(error):
        given = one.get("retryDelay")
        if not isinstance(given, str) or not given.endswith("s"):
            continue
        try:
            seconds = float(given[:-1])
        except ValueError:
            continue
        if 0 <= seconds < float("inf"):
            return min(seconds, MAX_RETRY_AFTER_S)
    return None


def finish_reason(reason: str, *, calls: bool) -> str:
    """OpenAI's word. Raises `UnavailableError` for a reason that makes the answer unusable."""
    found = FINISH.get(reason)
    if found is None:
        raise UnavailableError("the target ended its answer for a reason that makes it unusable")
    return "tool_calls" if calls and found == "stop" else found


def read_answer(body: Mapping[str, Any], call: ModelCall, headers: Mapping[bytes, bytes]) -> ModelAnswer:
    """A whole answer. Raises `UnavailableError` when it lacks what makes it one."""
    if "error" in body:
        raise error_of(body["error"], 200, headers)
    try:
        candidates = body.get("candidates") or ()
        if not candidates and (body.get("promptFeedback") or {}).get("blockReason"):
            choices: tuple[Choice, ...] = (Choice(text="", finish_reason="content_filter"),)
        else:
            choices = tuple(_choice(one, number, call) for number, one in enumerate(candidates))
        usage = read_usage(body.get("usageMetadata"))
    except (KeyError, TypeError, AttributeError, ValueError):
        raise UnavailableError(_MALFORMED) from None
    if not choices:
        raise UnavailableError("the target's answer holds no choice")
    return ModelAnswer(
        choices=choices, usage=usage or estimate_usage(call, [_length(one) for one in choices])
    )


def _choice(candidate: Mapping[str, Any], number: int, call: ModelCall) -> Choice:
    text, reasoning, calls = _read_parts(candidate, call, 0)
    if "finishReason" not in candidate:
        raise UnavailableError("the target gave up before the end of its answer")
    return Choice(
        index=candidate.get("index", number),
        text=text if text or not calls else None,
        tool_calls=tuple({k: v for k, v in one.items() if k != "index"} for one in calls),
        finish_reason=finish_reason(candidate["finishReason"], calls=bool(calls)),
        reasoning=reasoning or None,
    )


def _read_parts(
    candidate: Mapping[str, Any], call: ModelCall, before: int
) -> tuple[str, str, list[dict[str, Any]]]:
    """Text, thoughts and calls of a candidate's parts; `before` calls were there already."""
    text, reasoning, calls = "", "", list[dict[str, Any]]()
    for part in (candidate.get("content") or {}).get("parts") or ():
        if "functionCall" in part:
            number = before + len(calls)
            calls.append(_call(part["functionCall"], number, call))
        elif part.get("thought"):
            reasoning += part.get("text", "")
        else:
            text += part.get("text", "")
    return text, reasoning, calls


def _call(found: Mapping[str, Any], number: int, call: ModelCall) -> dict[str, Any]:
    arguments = orjson.dumps(found.get("args") or {}).decode()
    return {
        "index": number,
        "id": found.get("id") or f"call_{call.request_id}_{number}",
        "type": "function",
        "function": {"name": found["name"], "arguments": arguments},
    }


def read_usage(usage: object) -> Usage | None:
    """Tokens as reported; thoughts are written and paid for like the rest."""
    if not isinstance(usage, dict):
        return None
    names = ("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "cachedContentTokenCount")
    counts = [usage.get(name) for name in names]
    prompt, written, thoughts, cached = [count if isinstance(count, int) else 0 for count in counts]
    if not isinstance(counts[0], int):
        return None
    return Usage(prompt_tokens=prompt, completion_tokens=written + thoughts, cached_tokens=cached)


def _length(choice: Choice) -> int:
    calls = sum(len(one["function"]["arguments"]) for one in choice.tool_calls)
    return len(choice.text or "") + len(choice.reasoning or "") + calls


class GeminiReader:
    """Reads one streamed answer: server-sent events, each a piece of an answer of the same form as a whole one. The end of
    the bytes is the end; `finished` says whether every choice has its reason by then."""

    def __init__(self, call: ModelCall, headers: Mapping[bytes, bytes]) -> None:
        self._call, self._headers = call, headers
        self._events = EventReader()
        self._calls: dict[int, int] = {}
        self._over: set[int] = set()
        self._lengths: dict[int, int] = {}
        self._usage: Usage | None = None
        self.done = False
        self.error: TargetError | None = None

    @property
    def finished(self) -> bool:
        """Whether nothing of the content can be missing."""
        return len(self._over) >= self._call.params.n

    def feed(self, piece: bytes) -> list[Chunk]:
        """The chunks that `piece` completes, b"" being the end of the bytes."""
        chunks: list[Chunk] = []
        try:
            for data in self._events.feed(piece) if piece else self._events.end():
                self._read(orjson.loads(data), chunks)
        except TargetError as error:
            self.error = error
        except (ValueError, KeyError, TypeError, AttributeError):
            self.error = UnavailableError("the target's stream is malformed")
        return chunks

    def finish(self) -> list[Chunk]:
        """Usage, last. Raises `UnavailableError` when the answer is not whole."""
        if not self.finished:
            raise UnavailableError("the target's stream was cut before its end")
        return [Chunk(usage=self._usage or estimate_usage(self._call, self._lengths.values()))]

    def _read(self, event: Mapping[str, Any], chunks: list[Chunk]) -> None:
        if "error" in event:
            raise error_of(event["error"], 200, self._headers)
        self._usage = read_usage(event.get("usageMetadata")) or self._usage
        candidates = event.get("candidates") or ()
        if not candidates and (event.get("promptFeedback") or {}).get("blockReason"):
            self._over.add(0)
            chunks.append(Chunk(finish_reason="content_filter"))
        for candidate in candidates:
            index = candidate.get("index", 0)
            if index not in self._over:
                self._candidate(index, candidate, chunks)

    def _candidate(self, index: int, candidate: Mapping[str, Any], chunks: list[Chunk]) -> None:
        before = self._calls.get(index, 0)
        text, reasoning, calls = _read_parts(candidate, self._call, before)
        self._calls[index] = before + len(calls)
        written = len(text) + len(reasoning) + sum(len(one["function"]["arguments"]) for one in calls)
        self._lengths[index] = self._lengths.get(index, 0) + written
        if text or reasoning or calls:
            chunks.append(Chunk(index=index, text=text, reasoning=reasoning, tool_calls=tuple(calls)))
        if reason := candidate.get("finishReason"):
            self._over.add(index)
            ended = finish_reason(reason, calls=bool(self._calls[index]))
            chunks.append(Chunk(index=index, finish_reason=ended))
