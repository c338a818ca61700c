"""OpenAI's chat and embedding bodies: a `ModelCall` as a request, a whole answer as a `ModelAnswer`.

Nulls are left out (vLLM refuses some of them), and an answer is believed only as far as it has the expected form.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson

from router_core.adapters.wire.http_errors import retry_after_s, status_error, summary
from router_core.errors import RefusedError, TargetError, ThrottledError, UnavailableError
from router_core.execution import Choice, EmbeddingAnswer, ModelAnswer, Usage
from router_core.ports import EmbedCall, ModelCall

_OURS: Final = frozenset({"model", "messages", "stream", "stream_options", "user"})
_CHARS_PER_TOKEN: Final = 4
_IMAGE_CHARS: Final = 2_400
GIVEN_UP: Final = ("abort", "error")
"""Finish reasons of vLLM that mean no finish: it was told to stop, or failed inside."""
_THROTTLING: Final = (429, "429", "rate_limit_exceeded", "RateLimitError")


def chat_body(call: ModelCall, model: str, *, streams: bool) -> bytes:
    """The body of `/chat/completions`. Raises `RefusedError` for what JSON cannot hold."""
    params = call.params
    body: dict[str, Any] = {k: v for k, v in params.extra.items() if v is not None and k not in _OURS}
    body["model"] = model
    body["messages"] = call.messages
    if params.max_tokens is not None and "max_completion_tokens" not in body:
        body["max_tokens"] = params.max_tokens
    if params.temperature is not None:
        body["temperature"] = params.temperature
    if params.response_format is not None:
        body["response_format"] = params.response_format
    if params.tools:
        body["tools"] = params.tools
    if call.user is not None:
        body["user"] = call.user
    if call.continuation is not None:
        body["messages"] = (*call.messages, {"role": "assistant", "content": call.continuation})
        body["continue_final_message"] = True
        body["add_generation_prompt"] = False
    if streams:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    return dump(body)


def embeddings_body(call: EmbedCall, model: str) -> bytes:
    body: dict[str, Any] = {"model": model, "input": call.inputs, "encoding_format": "float"}
    if call.dimensions is not None:
        body["dimensions"] = call.dimensions
    return dump(body)


def dump(body: object) -> bytes:
    try:
        return orjson.dumps(body)
    except TypeError:
        raise RefusedError("the request holds a value that JSON cannot carry") from None


def load(body: bytes) -> dict[str, Any]:
    """A JSON object. Raises `UnavailableError` for anything else."""
    try:
        value = orjson.loads(body)
    except ValueError:
        raise UnavailableError("the target's answer is malformed") from None
    if not isinstance(value, dict):
        raise UnavailableError("the target's answer is malformed")
    return value


def status_answer(
    status: int, headers: Mapping[bytes, bytes], body: bytes, secret: str | None
) -> TargetError:
    """The error of an answer with another status than 200, told with what its body says, if it says it in JSON."""
    try:
        error = reported(orjson.loads(body))
    except (ValueError, AttributeError):
        error = None
    message = error.get("message") if isinstance(error, dict) else error
    return status_error(status, headers, summary(message, secret))


def reported(body: Mapping[str, Any]) -> object:
    """The error inside a body, None when it reports none.

    Forms: `{"error": {"message", "code"}}`, `{"error": "text"}`, and vLLM's older `{"object": "error", "message", "code"}`.
    """
    return body.get("error") or (body if body.get("object") == "error" else None)


def reported_error(error: object, headers: Mapping[bytes, bytes]) -> TargetError:
    """The core error of one that came with status 200: its own code can only say whether to slow down."""
    code = (error.get("code") or error.get("type")) if isinstance(error, dict) else None
    if code in _THROTTLING:
        return ThrottledError("the target asks for fewer requests", retry_after_s=retry_after_s(headers))
    if isinstance(error, dict) and isinstance(code, int) and 400 <= code < 500:
        # vLLM checks a schema after it has begun the stream: the caller's mistake, not the node's failure.
        return status_error(code, headers, summary(error.get("message")))
    return UnavailableError("the target reported an error in place of an answer")


def read_answer(body: Mapping[str, Any], call: ModelCall) -> ModelAnswer:
    """A whole chat answer. Raises `UnavailableError` when it lacks what makes it one."""
    given = body.get("choices")
    try:
        choices = tuple([_choice(choice, i) for i, choice in enumerate(given)]) if given else ()
    except (KeyError, TypeError, AttributeError):
        raise UnavailableError("the target's answer is malformed") from None
    if not choices:
        raise UnavailableError("the target's answer holds no choice")
    usage = read_usage(body.get("usage"))
    return ModelAnswer(choices=choices, usage=usage or estimate_usage(call, map(_written, choices)))


def _choice(choice: Mapping[str, Any], position: int) -> Choice:
    message = choice["message"]
    if choice.get("finish_reason") in GIVEN_UP:
        raise UnavailableError("the target gave up before the end of its answer")
    calls = message.get("tool_calls")
    text = message.get("content")
    return Choice(
        index=choice.get("index", position),
        text=text if text is None or isinstance(text, str) else _joined(text),
        tool_calls=tuple([checked_call(one) for one in calls]) if calls else (),
        finish_reason=choice.get("finish_reason") or ("tool_calls" if calls else "stop"),
        logprobs=choice.get("logprobs"),
        refusal=message.get("refusal"),
        reasoning=message.get("reasoning_content") or message.get("reasoning"),
    )


def _joined(parts: Iterable[Mapping[str, Any]]) -> str:
    return "".join([part.get("text", "") for part in parts])


def checked_call(call: Mapping[str, Any]) -> Mapping[str, Any]:
    """A tool call whose arguments are JSON. Raises `UnavailableError` when they end in the middle."""
    function = call["function"]
    arguments = function.get("arguments") or "{}"
    if not is_json(arguments):
        raise UnavailableError("the target sent a truncated tool call")
    if function.get("arguments") is arguments:
        return call
    return {**call, "function": {**function, "arguments": arguments}}


def is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except ValueError:
        return False
    return True


def read_usage(usage: object) -> Usage | None:
    """Tokens as reported; None when the target reports none, or not in numbers."""
    if not isinstance(usage, dict):
        return None
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens", 0)
    if not isinstance(prompt, int) or not isinstance(completion, int):
        return None
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else None
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        cached_tokens=cached if isinstance(cached, int) else 0,
    )


def estimate_usage(call: ModelCall, written: Iterable[int]) -> Usage:
    """Four characters a token, for targets that count nothing; marked as an estimate.

    `written` is the number of characters of each choice.
    """
    prompt = sum(_length(message.get("content")) for message in call.messages) + len(call.continuation or "")
    return Usage(
        prompt_tokens=-(-prompt // _CHARS_PER_TOKEN),
        completion_tokens=sum(-(-length // _CHARS_PER_TOKEN) for length in written),
        estimated=True,
    )


def _length(content: object) -> int:
    if isinstance(content, str):
        return len(content)
    if not isinstance(content, list | tuple):
        return 0
    return sum(
        len(part["text"]) if isinstance(part.get("text"), str) else _IMAGE_CHARS
        for part in content
        if isinstance(part, dict)
    )


def _written(choice: Choice) -> int:
    calls = sum([len(call["function"]["arguments"]) for call in choice.tool_calls])
    return len(choice.text or "") + len(choice.reasoning or "") + calls


def read_vectors(body: Mapping[str, Any], call: EmbedCall) -> EmbeddingAnswer:
    """Vectors in input order. Raises `UnavailableError` unless there is one for each input."""
    try:
        rows = sorted(body["data"], key=lambda row: row["index"])
        vectors = tuple(tuple(map(float, row["embedding"])) for row in rows)
        indexes = [row["index"] for row in rows]
    except (KeyError, TypeError, ValueError):
        raise UnavailableError("the target's answer is malformed") from None
    if indexes != list(range(len(call.inputs))):
        raise UnavailableError("the target's answer does not hold one vector for each input")
    usage = read_usage(body.get("usage"))
    if usage is None:
        usage = Usage(prompt_tokens=-(-sum(map(len, call.inputs)) // _CHARS_PER_TOKEN), estimated=True)
    return EmbeddingAnswer(vectors=vectors, usage=usage)
