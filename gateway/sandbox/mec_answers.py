"""Writes vLLM's answers: whole bodies and stream chunks for chat and plain completions."""

from __future__ import annotations

import dataclasses
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway.sandbox.mec_requests import Job
from gateway.sandbox.replies import Reply, reply_to

_FINISH = {"stop": "stop", "length": "length", "tool": "tool_calls", "stop_sequence": "stop"}


def replies_of(job: Job) -> list[Reply]:
    """One reply per choice; each choice is worded differently, and the same seed words it the same way."""
    first = job.question.variant
    return [
        reply_to(dataclasses.replace(job.question, variant=first + number)) for number in range(job.choices)
    ]


def usage(job: Job, replies: Sequence[Reply]) -> dict[str, int]:
    """Tokens of the request: the prompt once, the answers of all choices."""
    made = sum(reply.tokens for reply in replies)
    return {
        "prompt_tokens": job.prompt_tokens,
        "total_tokens": job.prompt_tokens + made,
        "completion_tokens": made,
    }


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes one answer; `chat` or the older completions form."""

    job: Job
    chat: bool
    id: str = dataclasses.field(default_factory=lambda: uuid.uuid4().hex)
    created: int = dataclasses.field(default_factory=lambda: int(time.time()))

    def _envelope(self, *, chunk: bool) -> dict[str, Any]:
        kind = ("chat.completion.chunk" if chunk else "chat.completion") if self.chat else "text_completion"
        prefix = "chatcmpl-" if self.chat else "cmpl-"
        model = self.job.question.model
        return {"id": prefix + self.id, "object": kind, "created": self.created, "model": model}

    def whole(self, replies: Sequence[Reply]) -> dict[str, Any]:
        """The body of an answer that is not streamed."""
        choices = [self._choice(index, reply) for index, reply in enumerate(replies)]
        return {**self._envelope(chunk=False), "choices": choices, "usage": usage(self.job, replies)}

    def _choice(self, index: int, reply: Reply) -> dict[str, Any]:
        finish = {"logprobs": self._logprobs(reply.pieces), **_ended(reply)}
        if not self.chat:
            return {"index": index, "text": reply.text, **finish}
        message: dict[str, Any] = {"role": "assistant", "content": reply.text}
        if reply.tool is not None:
            function = {"name": reply.tool, "arguments": reply.text}
            call = {"id": _call_id(), "type": "function", "function": function}
            message = {"role": "assistant", "content": None, "tool_calls": [call]}
        return {"index": index, "message": message, **finish}

    def opening(self, index: int, reply: Reply) -> list[dict[str, Any]]:
        """The chunks before the first token of a choice."""
        if not self.chat:
            return []
        chunks = [self._delta(index, {"role": "assistant", "content": ""})]
        if reply.tool is not None:
            function = {"name": reply.tool, "arguments": ""}
            call = {"index": 0, "id": _call_id(), "type": "function", "function": function}
            chunks.append(self._delta(index, {"tool_calls": [call]}))
        return chunks

    def token(self, index: int, reply: Reply, piece: str) -> dict[str, Any]:
        """The chunk of one token."""
        logprobs = self._logprobs((piece,))
        if not self.chat:
            choice = {"index": index, "text": piece, "logprobs": logprobs, "finish_reason": None}
            return {**self._envelope(chunk=True), "choices": [{**choice, "stop_reason": None}]}
        if reply.tool is not None:
            return self._delta(index, {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
        return self._delta(index, {"content": piece}, logprobs)

    def closing(self, index: int, reply: Reply) -> dict[str, Any]:
        """The chunk with the finish reason."""
        if not self.chat:
            choice = {"index": index, "text": "", "logprobs": None, **_ended(reply)}
            return {**self._envelope(chunk=True), "choices": [choice]}
        empty: dict[str, Any] = {} if reply.tool is not None else {"content": ""}
        choice = {"index": index, "delta": empty, "logprobs": None, **_ended(reply)}
        return {**self._envelope(chunk=True), "choices": [choice]}

    def usage_chunk(self, replies: Sequence[Reply]) -> dict[str, Any]:
        """The last chunk when usage was asked for."""
        return {**self._envelope(chunk=True), "choices": [], "usage": usage(self.job, replies)}

    def _delta(self, index: int, delta: dict[str, Any], logprobs: object = None) -> dict[str, Any]:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": None}
        return {**self._envelope(chunk=True), "choices": [choice]}

    def _logprobs(self, pieces: Sequence[str]) -> dict[str, Any] | None:
        """Fixed log probabilities: enough for a client that reads the form."""
        top = self.job.top_logprobs
        if top is None:
            return None
        if self.chat:
            return {"content": [_token_logprob(piece, top) for piece in pieces]}
        return {
            "tokens": list(pieces),
            "token_logprobs": [_logprob(piece) for piece in pieces],
            "text_offset": [sum(map(len, pieces[:number])) for number in range(len(pieces))],
            "top_logprobs": [{piece: _logprob(piece)} if top else None for piece in pieces],
        }


def _ended(reply: Reply) -> dict[str, Any]:
    return {"finish_reason": _FINISH[reply.finish], "stop_reason": reply.stop_sequence}


def _call_id() -> str:
    return f"chatcmpl-tool-{uuid.uuid4().hex}"


def _logprob(piece: str) -> float:
    return -round(0.01 * (1 + len(piece)), 4)


def _token_logprob(piece: str, top: int) -> dict[str, Any]:
    one = {"token": piece, "logprob": _logprob(piece), "bytes": list(piece.encode())}
    return {**one, "top_logprobs": [one] if top else []}
