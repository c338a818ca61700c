"""Converse's answers and stream events in core terms, which are OpenAI's: finish reasons, tool calls, usage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from router_core.adapters.wire.aws_errors import event_error
from router_core.adapters.wire.bedrock_request import ANSWER_TOOL, forces_tool
from router_core.adapters.wire.eventstream import FrameReader
from router_core.adapters.wire.openai_wire import estimate_usage, is_json
from router_core.errors import TargetError, UnavailableError
from router_core.execution import Choice, Chunk, ModelAnswer, Usage
from router_core.ports import ModelCall

FINISH: Final[Mapping[str, str]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}
"""Reasons that end an answer properly; the service's others say that what was written is unusable."""
_MALFORMED: Final = "the target's answer is malformed"


def finish_reason(stop: str, *, forced: bool) -> str:
    """OpenAI's word for a stop reason. Raises `UnavailableError` when the service calls its own output malformed."""
    reason = FINISH.get(stop)
    if reason is None:
        raise UnavailableError("the target ended its answer for a reason that makes it unusable")
    return "stop" if forced and reason == "tool_calls" else reason


def after_prefix(text: str, call: ModelCall) -> str:
    """The continuation without the blanks that were cut from the prefix and that the model may have written again."""
    prefix = call.continuation or ""
    kept = len(prefix.rstrip())
    common = 0
    while common < min(len(prefix) - kept, len(text)) and prefix[kept + common] == text[common]:
        common += 1
    return text[common:]


def read_answer(body: Mapping[str, Any], call: ModelCall, *, native_schema: bool) -> ModelAnswer:
    """A whole Converse answer. Raises `UnavailableError` when it lacks what makes it one."""
    forced = forces_tool(call, native_schema=native_schema)
    try:
        blocks = body["output"]["message"]["content"]
        texts = [block["text"] for block in blocks if "text" in block]
        uses = [block["toolUse"] for block in blocks if "toolUse" in block]
        thoughts = [block["reasoningContent"] for block in blocks if "reasoningContent" in block]
        reasoning = "".join([thought.get("reasoningText", {}).get("text", "") for thought in thoughts])
        if forced:
            texts = [orjson.dumps(use["input"]).decode() for use in uses if use["name"] == ANSWER_TOOL]
            uses = []
        choice = Choice(
            text=after_prefix("".join(texts), call) if texts else None,
            tool_calls=tuple([_call(use) for use in uses]),
            finish_reason=finish_reason(
                body.get("stopReason") or ("tool_use" if uses else "end_turn"), forced=forced
            ),
            reasoning=reasoning or None,
        )
    except (KeyError, TypeError, AttributeError):
        raise UnavailableError(_MALFORMED) from None
    written = len(choice.text or "") + len(reasoning)
    written += sum([len(call["function"]["arguments"]) for call in choice.tool_calls])
    return ModelAnswer(
        choices=(choice,), usage=read_usage(body.get("usage")) or estimate_usage(call, [written])
    )


def _call(use: Mapping[str, Any]) -> dict[str, Any]:
    arguments = orjson.dumps(use["input"]).decode()
    return {
        "id": use["toolUseId"],
        "type": "function",
        "function": {"name": use["name"], "arguments": arguments},
    }


def read_usage(usage: object) -> Usage | None:
    """Tokens as reported. The service counts cached tokens apart from `inputTokens`; ours includes them."""
    if not isinstance(usage, dict):
        return None
    counts = [usage.get(f"{name}Tokens") for name in ("input", "output", "cacheReadInput", "cacheWriteInput")]
    told, made, read, written = [count if isinstance(count, int) else 0 for count in counts]
    return Usage(prompt_tokens=told + read + written, completion_tokens=made, cached_tokens=read)


class ConverseReader:
    """Reads one ConverseStream answer. `done` is set by the metadata event, which is the last one."""

    def __init__(self, call: ModelCall, reply: Mapping[bytes, bytes], *, native_schema: bool) -> None:
        self._call = call
        self._reply = reply
        self._forced = forces_tool(call, native_schema=native_schema)
        self._frames = FrameReader()
        self._calls: dict[int, tuple[int, list[str]]] = {}
        self._usage: Usage | None = None
        self._length = 0
        self._fresh = True
        self.finished = False
        self.done = False
        self.error: TargetError | None = None

    def feed(self, piece: bytes) -> list[Chunk]:
        """The chunks that `piece` completes. What comes before an error is returned, the error kept in `error`."""
        chunks: list[Chunk] = []
        try:
            for headers, payload in self._frames.feed(piece):
                if headers.get(":message-type") != "event":
                    raise event_error(headers, payload, self._reply)
                if (chunk := self._event(headers.get(":event-type"), orjson.loads(payload))) is not None:
                    chunks.append(chunk)
        except TargetError as error:
            self.error = error
        except (ValueError, KeyError, TypeError, AttributeError):
            self.error = UnavailableError("the target's stream is malformed")
        return chunks

    def finish(self) -> list[Chunk]:
        """What is left to say at the end. Raises `UnavailableError` when the answer is not whole."""
        if not (self.finished or self.done):
            raise UnavailableError("the target's stream was cut before its end")
        rest = [] if self.finished else [self._end("tool_use" if self._calls else "end_turn")]
        return [*rest, Chunk(usage=self._usage or estimate_usage(self._call, [self._length]))]

    def _event(self, kind: str | None, event: Mapping[str, Any]) -> Chunk | None:
        if kind == "metadata":
            self._usage = read_usage(event.get("usage"))
            self.done = True
        elif kind == "messageStop" and not self.finished:
            return self._end(event["stopReason"])
        elif kind == "contentBlockDelta" and not self.finished:
            return self._delta(event.get("contentBlockIndex", 0), event["delta"])
        elif kind == "contentBlockStart" and not self.finished:
            return self._start(event.get("contentBlockIndex", 0), event["start"])
        return None

    def _start(self, block: int, start: Mapping[str, Any]) -> Chunk | None:
        use = start.get("toolUse")
        if use is None:
            return None
        self._calls[block] = (len(self._calls), [])
        if self._forced:
            return None
        function = {"name": use["name"], "arguments": ""}
        call = {
            "index": self._calls[block][0],
            "id": use["toolUseId"],
            "type": "function",
            "function": function,
        }
        return Chunk(tool_calls=(call,))

    def _delta(self, block: int, delta: Mapping[str, Any]) -> Chunk | None:
        if text := delta.get("text"):
            return self._text(text)
        if use := delta.get("toolUse"):
            index, arguments = self._calls[block]
            arguments.append(use["input"])
            self._length += len(use["input"])
            if self._forced:
                return Chunk(text=use["input"]) if use["input"] else None
            return Chunk(tool_calls=({"index": index, "function": {"arguments": use["input"]}},))
        if thought := delta.get("reasoningContent", {}).get("text"):
            self._length += len(thought)
            return Chunk(reasoning=thought)
        return None

    def _text(self, text: str) -> Chunk | None:
        if self._forced:
            return None  # talk around the JSON that was asked for
        self._length += len(text)
        if self._fresh:
            self._fresh = False
            text = after_prefix(text, self._call)
        return Chunk(text=text) if text else None

    def _end(self, stop: str) -> Chunk:
        self.finished = True
        reason = finish_reason(stop, forced=self._forced)
        empty = []
        for index, pieces in self._calls.values():
            arguments = "".join(pieces)
            if not arguments:
                empty.append({"index": index, "function": {"arguments": "{}"}})
            elif reason != "length" and not is_json(arguments):
                raise UnavailableError("the target sent a truncated tool call")
        if self._forced:
            return Chunk(text="{}" if empty else "", finish_reason=reason)
        return Chunk(tool_calls=tuple(empty), finish_reason=reason)
