"""Puts masked values back into answers and streams: text, thoughts, refusals, what tools are given, structured output.

In a stream a placeholder may come in pieces, so what may be the beginning of one waits for its end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from agents.guarding.masking import NO_MASK, Mask, begun_at
from router_core.execution import Choice, Chunk, Output


def restored_output(output: Output, mask: Mask) -> Output:
    """The output with the values in their places."""
    structured = None if output.json is None else _deep(output.json, mask)
    return replace(output, choices=tuple(_choice(choice, mask) for choice in output.choices), json=structured)


def _choice(choice: Choice, mask: Mask) -> Choice:
    return replace(
        choice,
        text=_text(choice.text, mask),
        reasoning=_text(choice.reasoning, mask),
        refusal=_text(choice.refusal, mask),
        tool_calls=tuple(_call(call, mask) for call in choice.tool_calls),
    )


def _text(text: str | None, mask: Mask) -> str | None:
    return text if text is None else mask.restore(text)


def _call(call: Mapping[str, Any], mask: Mask) -> Mapping[str, Any]:
    function = call.get("function")
    if not isinstance(function, Mapping) or not isinstance(function.get("arguments"), str):
        return call
    return {**call, "function": {**function, "arguments": mask.restore_json(function["arguments"])}}


def _deep(value: Any, mask: Mask) -> Any:
    if isinstance(value, str):
        return mask.restore(value)
    if isinstance(value, Mapping):
        return {key: _deep(item, mask) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_deep(item, mask) for item in value]
    return value


class Restorer:
    """One stream's. What waits is kept by choice and by channel: the text, the thoughts, each tool call's arguments."""

    def __init__(self, mask: Mask = NO_MASK) -> None:
        self._mask = mask
        self._waiting: dict[tuple[int, str | int], str] = {}

    def take(self, chunk: Chunk) -> list[Chunk]:
        """The chunk with its values, less what must wait; none where all of it must."""
        if not self._mask.values:
            return [chunk]
        last = chunk.finish_reason is not None
        changed = replace(
            chunk,
            text=self._through(chunk.index, "text", chunk.text, last=last),
            reasoning=self._through(chunk.index, "reasoning", chunk.reasoning, last=last),
            refusal=self._mask.restore(chunk.refusal),
            tool_calls=tuple(self._delta(chunk.index, call) for call in chunk.tool_calls),
            json=None if chunk.json is None else _deep(chunk.json, self._mask),
        )
        if last:
            changed = replace(changed, tool_calls=(*changed.tool_calls, *self._calls_left(chunk.index)))
        return [changed] if _says(changed) else []

    def rest(self) -> list[Chunk]:
        """What still waits when no more comes."""
        indices = sorted({index for index, _ in self._waiting})
        chunks = [
            Chunk(
                index=index,
                text=self._through(index, "text", "", last=True),
                reasoning=self._through(index, "reasoning", "", last=True),
                tool_calls=tuple(self._calls_left(index)),
            )
            for index in indices
        ]
        return [chunk for chunk in chunks if _says(chunk)]

    def _through(self, index: int, channel: str | int, text: str, *, last: bool = False) -> str:
        text = self._waiting.pop((index, channel), "") + text
        cut = len(text) if last else begun_at(text)
        if cut < len(text):
            self._waiting[index, channel] = text[cut:]
        put_back = self._mask.restore if isinstance(channel, str) else self._mask.restore_json
        return put_back(text[:cut])

    def _delta(self, index: int, call: Mapping[str, Any]) -> Mapping[str, Any]:
        function = call.get("function") or {}
        if not function.get("arguments"):
            return call
        arguments = self._through(index, int(call.get("index", 0)), function["arguments"])
        return {**call, "function": {**function, "arguments": arguments}}

    def _calls_left(self, index: int) -> list[Mapping[str, Any]]:
        waiting = [channel for at, channel in self._waiting if at == index and isinstance(channel, int)]
        return [
            {"index": number, "function": {"arguments": self._through(index, number, "", last=True)}}
            for number in waiting
        ]


def _says(chunk: Chunk) -> bool:
    return bool(
        chunk.text
        or chunk.reasoning
        or chunk.refusal
        or chunk.tool_calls
        or chunk.logprobs
        or chunk.json is not None
        or chunk.usage is not None
        or chunk.finish_reason is not None
    )
