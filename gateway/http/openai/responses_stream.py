"""The events of a streamed response: numbered, every item opened before it is filled and closed before it is left."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.http import answers
from gateway.http.openai.responses_shape import Item, ResponseShape, text_part
from router_core.execution import Chunk
from router_core.inference import InferenceResponse


class ResponseEvents:
    """Makes the bytes of one stream. Only the first choice exists: the Responses API knows no others."""

    def __init__(self, shape: ResponseShape) -> None:
        self._shape = shape
        self._number = 0
        self._output: list[Item] = []
        self._text: list[str] | None = None
        self._calls: dict[int, int] = {}
        self._arguments: dict[int, list[str]] = {}

    def begin(self, model: str) -> bytes:
        response = self._shape.begun(model)
        return self._event("response.created", response=response) + self._event(
            "response.in_progress", response=response
        )

    def piece(self, chunk: Chunk) -> bytes:
        """What one chunk of the core adds."""
        if chunk.index != 0:
            return b""
        parts: list[bytes] = []
        if chunk.text:
            parts += self._said(chunk.text)
        for delta in chunk.tool_calls:
            parts += self._called(delta)
        return b"".join(parts)

    def end(self, response: InferenceResponse) -> bytes:
        """Closes every item and the response."""
        parts = list(self._close_text())
        for place in self._calls.values():
            parts += self._close_call(place)
        if not self._output:
            parts += [*self._said(""), *self._close_text()]
        whole = self._shape.ended(response, self._output)
        kind = "response.completed" if whole["status"] == "completed" else "response.incomplete"
        return b"".join(parts) + self._event(kind, response=whole)

    def failed(self, error: dict[str, Any]) -> bytes:
        """The stream's last event when it cannot be completed."""
        body = {"code": error.get("code"), "message": error.get("message"), "param": error.get("param")}
        return self._event("error", **body, error=error)

    def _said(self, text: str) -> Iterator[bytes]:
        if self._text is None:
            self._text = []
            place = len(self._output)
            item = self._shape.message("", status="in_progress", index=place)
            self._output.append(item)
            yield self._event("response.output_item.added", output_index=place, item=item)
            yield self._part("response.content_part.added", part=text_part(""))
        self._text.append(text)
        if text:
            yield self._part("response.output_text.delta", delta=text, logprobs=[])

    def _close_text(self) -> Iterator[bytes]:
        if self._text is None:
            return
        text = "".join(self._text)
        place = self._place_of_message()
        yield self._part("response.output_text.done", text=text, logprobs=[])
        yield self._part("response.content_part.done", part=text_part(text))
        self._output[place] = self._shape.message(text, index=place)
        yield self._event("response.output_item.done", output_index=place, item=self._output[place])
        self._text = None

    def _called(self, delta: Any) -> Iterator[bytes]:
        number = delta.get("index", 0)
        if number not in self._calls:
            yield from self._close_text()
            place = self._calls[number] = len(self._output)
            item = {**self._shape.call(place, delta, status="in_progress"), "arguments": ""}
            self._output.append(item)
            self._arguments[place] = []
            yield self._event("response.output_item.added", output_index=place, item=item)
        place = self._calls[number]
        if text := (delta.get("function") or {}).get("arguments"):
            self._arguments[place].append(text)
            yield self._call_event("response.function_call_arguments.delta", place, delta=text)

    def _close_call(self, place: int) -> Iterator[bytes]:
        arguments = "".join(self._arguments[place])
        yield self._call_event("response.function_call_arguments.done", place, arguments=arguments)
        self._output[place] = {**self._output[place], "arguments": arguments, "status": "completed"}
        yield self._event("response.output_item.done", output_index=place, item=self._output[place])

    def _place_of_message(self) -> int:
        return next(
            i
            for i, item in enumerate(self._output)
            if item["type"] == "message" and item["status"] != "completed"
        )

    def _part(self, kind: str, **more: Any) -> bytes:
        place = self._place_of_message()
        name = self._output[place]["id"]
        return self._event(kind, item_id=name, output_index=place, content_index=0, **more)

    def _call_event(self, kind: str, place: int, **more: Any) -> bytes:
        return self._event(kind, item_id=self._output[place]["id"], output_index=place, **more)

    def _event(self, kind: str, **more: Any) -> bytes:
        body = {"type": kind, "sequence_number": self._number, **more}
        self._number += 1
        return b"event: " + kind.encode() + b"\ndata: " + answers.encode(body) + b"\n\n"
