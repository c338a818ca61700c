"""A chat stream as core chunks: what is passed on, what is repaired, and what is an error instead of a short answer.

Servers differ in the details (repeated ids of tool calls, no finish reason before [DONE], chunks behind the end).
Callers see one form: a choice ends with exactly one finish reason, arguments of tool calls join to JSON, usage comes
last. A stream that ends without saying that it is finished was cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from router_core.adapters.wire.openai_sse import EventReader
from router_core.adapters.wire.openai_wire import (
    GIVEN_UP,
    estimate_usage,
    is_json,
    read_usage,
    reported,
    reported_error,
)
from router_core.errors import TargetError, UnavailableError
from router_core.execution import Chunk, Usage
from router_core.ports import ModelCall

_DONE: Final = b"[DONE]"


class _Call:
    """One tool call as it grows."""

    __slots__ = ("arguments", "index", "named")

    def __init__(self, index: int) -> None:
        self.index = index
        self.named = False
        self.arguments = ""


class _ChoiceState:
    __slots__ = ("calls", "finished", "length")

    def __init__(self) -> None:
        self.finished = False
        self.length = 0
        self.calls: dict[int, _Call] = {}


class ChatStream:
    """Reads one answer. `done` is set by [DONE], `error` by the first thing that is wrong; nothing is read after either."""

    def __init__(self, call: ModelCall, headers: Mapping[bytes, bytes]) -> None:
        self._call = call
        self._headers = headers
        self._events = EventReader()
        self._choices: dict[int, _ChoiceState] = {}
        self._usage: Usage | None = None
        self.done = False
        self.error: TargetError | None = None

    @property
    def finished(self) -> bool:
        """Every choice that was asked for has its finish reason: nothing of the answer can be missing."""
        states = self._choices
        return len(states) >= self._call.params.n and all([state.finished for state in states.values()])

    def feed(self, piece: bytes) -> list[Chunk]:
        """The chunks that `piece` completes, b"" being the end of the bytes. What comes before an error is returned."""
        chunks: list[Chunk] = []
        try:
            for data in self._events.feed(piece) if piece else self._events.end():
                self._read(data, chunks)
                if self.done:
                    break
        except TargetError as error:
            self.error = error
        except (ValueError, KeyError, TypeError, AttributeError):
            self.error = UnavailableError("the target's stream is malformed")
        return chunks

    def _read(self, data: bytes, chunks: list[Chunk]) -> None:
        if data.strip() == _DONE:
            self.done = True
            return
        event = orjson.loads(data)
        if (error := reported(event)) is not None:
            raise reported_error(error, self._headers)
        if usage := event.get("usage"):
            self._usage = read_usage(usage) or self._usage
        for choice in event.get("choices") or ():
            index = choice.get("index") or 0
            state = self._choices.get(index)
            if state is None:
                state = self._choices[index] = _ChoiceState()
            if not state.finished:
                self._delta(index, state, choice, chunks)

    def finish(self) -> list[Chunk]:
        """Called at [DONE] or at the end of the bytes. Raises `UnavailableError` when the answer is not whole."""
        if not self.finished and not self.done:
            raise UnavailableError("the target's stream was cut before its end")
        if not self._choices:
            raise UnavailableError("the target ended its stream without an answer")
        chunks: list[Chunk] = []
        for index, state in self._choices.items():
            if not state.finished:
                chunks += self._end(index, state, "tool_calls" if state.calls else "stop")
        lengths = [state.length for state in self._choices.values()]
        chunks.append(Chunk(usage=self._usage or estimate_usage(self._call, lengths)))
        return chunks

    def _delta(self, index: int, state: _ChoiceState, choice: Mapping[str, Any], chunks: list[Chunk]) -> None:
        delta = choice.get("delta") or {}
        text = delta.get("content") or ""
        calls = delta.get("tool_calls")
        deltas = tuple(self._call_deltas(state, calls)) if calls else ()
        reasoning = delta.get("reasoning_content") or delta.get("reasoning") or ""
        refusal = delta.get("refusal") or ""
        logprobs = choice.get("logprobs")
        if not isinstance(text, str):
            raise ValueError("content that is not text")
        state.length += len(text) + len(reasoning)
        if text or deltas or reasoning or refusal or logprobs:
            chunks.append(
                Chunk(
                    index=index,
                    text=text,
                    tool_calls=deltas,
                    reasoning=reasoning,
                    refusal=refusal,
                    logprobs=logprobs,
                )
            )
        if reason := choice.get("finish_reason"):
            chunks += self._end(index, state, reason)

    def _call_deltas(self, state: _ChoiceState, deltas: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        made: list[Mapping[str, Any]] = []
        for delta in deltas:
            call = self._call_of(state, delta)
            function = delta.get("function") or {}
            arguments = function.get("arguments") or ""
            call.arguments += arguments
            state.length += len(arguments)
            if call.named:
                if arguments:
                    made.append({"index": call.index, "function": {"arguments": arguments}})
                continue
            call.named = True
            name = function["name"]
            if not name:
                raise ValueError("a tool call without a name")
            identity = delta.get("id") or f"call_{self._call.request_id}_{call.index}"
            function = {"name": name, "arguments": arguments}
            made.append({"index": call.index, "id": identity, "type": "function", "function": function})
        return made

    def _call_of(self, state: _ChoiceState, delta: Mapping[str, Any]) -> _Call:
        """The call a delta belongs to; without an index a name begins the next one."""
        index = delta.get("index")
        if index is None:
            begins = bool((delta.get("function") or {}).get("name"))
            index = len(state.calls) if begins or not state.calls else len(state.calls) - 1
        call = state.calls.get(index)
        if call is None:
            call = state.calls[index] = _Call(index)
        return call

    def _end(self, index: int, state: _ChoiceState, reason: str) -> list[Chunk]:
        """The last chunk of a choice. A limit on tokens may cut arguments, as the reason then says; nothing else may."""
        if reason in GIVEN_UP:
            raise UnavailableError("the target gave up before the end of its answer")
        state.finished = True
        empty = []
        for call in state.calls.values():
            if not call.arguments:
                empty.append({"index": call.index, "function": {"arguments": "{}"}})
            elif reason != "length" and not is_json(call.arguments):
                raise UnavailableError("the target sent a truncated tool call")
        return [Chunk(index=index, tool_calls=tuple(empty), finish_reason=reason)]
