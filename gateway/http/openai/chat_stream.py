"""The chunks of a streamed chat completion.

Clients fold chunks blindly, so the grammar is strict: the role first, one index per choice, nothing for a choice after
its `finish_reason`, and `[DONE]` only when everything before it is true.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from gateway.http import answers
from gateway.http.openai import shapes
from gateway.http.openai.relaying import DONE, error_event
from router_core.execution import Chunk
from router_core.inference import InferenceResponse


class ChatChunks:
    """Makes the bytes of one stream. `with_usage` when the client asked for the usage chunk."""

    __slots__ = ("_begun", "_finished", "_head", "_tail", "_with_usage")

    def __init__(self, request_id: str, model: str, created_s: int, *, with_usage: bool) -> None:
        envelope = {
            "id": shapes.answer_id("chatcmpl", request_id),
            "object": "chat.completion.chunk",
            "created": created_s,
            "model": model,
        }
        # Everything before a delta is the same in every chunk; it is encoded once.
        self._head = b"data: " + orjson.dumps(envelope)[:-1] + b',"choices":['
        self._tail = b'],"usage":null}\n\n' if with_usage else b"]}\n\n"
        self._with_usage = with_usage
        self._begun: set[int] = set()
        self._finished: set[int] = set()

    def begin(self, index: int = 0) -> bytes:
        """The role, once per choice."""
        if index in self._begun:
            return b""
        self._begun.add(index)
        return self._choice(index, b'{"role":"assistant","content":"","refusal":null}')

    def piece(self, chunk: Chunk) -> bytes:
        """What one chunk of the core adds; empty when it adds nothing a client may see."""
        index = chunk.index
        if index in self._finished:
            return b""
        role = b"" if index in self._begun else self.begin(index)
        if chunk.text and not (chunk.tool_calls or chunk.logprobs or chunk.reasoning or chunk.refusal):
            content = self._choice(index, b'{"content":' + orjson.dumps(chunk.text) + b"}")
        else:
            content = self._rich(chunk)
        if chunk.finish_reason is None:
            return role + content
        return role + content + self._finish(index, chunk.finish_reason)

    def end(self, response: InferenceResponse) -> bytes:
        """Closes choices the tier left open, then the usage chunk when asked for, then `[DONE]`."""
        return b"".join(self._closing(response)) + DONE

    def failed(self, error: dict[str, Any]) -> bytes:
        return error_event(error)

    def _closing(self, response: InferenceResponse) -> Iterator[bytes]:
        reasons = {choice.index: choice.finish_reason for choice in shapes.choices_of(response)}
        for index in sorted(self._begun - self._finished):
            yield self._finish(index, reasons.get(index, "stop"))
        if self._with_usage:
            tail = {"usage": shapes.usage(response.usage), "tierwise": shapes.tierwise(response)}
            yield self._head + b"]," + answers.encode(tail)[1:] + b"\n\n"

    def _finish(self, index: int, reason: str) -> bytes:
        self._finished.add(index)
        return self._choice(index, b"{}", orjson.dumps(reason))

    def _rich(self, chunk: Chunk) -> bytes:
        """A delta with more in it than text."""
        delta: dict[str, Any] = {}
        if chunk.text:
            delta["content"] = chunk.text
        if chunk.tool_calls:
            delta["tool_calls"] = chunk.tool_calls
        if chunk.reasoning:
            delta["reasoning_content"] = chunk.reasoning
        if chunk.refusal:
            delta["refusal"] = chunk.refusal
        if not delta and chunk.logprobs is None:
            return b""
        logprobs = b"null" if chunk.logprobs is None else answers.encode(chunk.logprobs)
        return self._choice(chunk.index, answers.encode(delta), logprobs=logprobs)

    def _choice(
        self, index: int, delta: bytes, reason: bytes = b"null", *, logprobs: bytes = b"null"
    ) -> bytes:
        return b'%b{"index":%d,"delta":%b,"logprobs":%b,"finish_reason":%b}%b' % (
            self._head, index, delta, logprobs, reason, self._tail,
        )  # fmt: skip
