"""OpenAI's `response` object, made from an answer of the core."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.http.wire.responses import ResponsesBody
from router_core.execution import Choice, Usage
from router_core.inference import InferenceResponse

Item = dict[str, Any]


class ResponseShape:
    """What stays the same in every copy of one response: its id, its moment and what was asked for."""

    def __init__(self, request_id: str, created_s: int, body: ResponsesBody) -> None:
        self.id = "resp_" + request_id.removeprefix("req_")
        self._suffix = request_id.removeprefix("req_")
        self._asked: dict[str, Any] = {
            "id": self.id,
            "object": "response",
            "created_at": created_s,
            "background": False,
            "error": None,
            "instructions": body.instructions,
            "max_output_tokens": body.max_output_tokens,
            "metadata": body.metadata or {},
            "parallel_tool_calls": body.parallel_tool_calls is not False,
            "previous_response_id": None,
            "store": False,
            "temperature": body.temperature,
            "text": {"format": {"type": "text"}} if body.text is None else msgspec.to_builtins(body.text),
            "tool_choice": msgspec.to_builtins(body.tool_choice) or "auto",
            "tools": msgspec.to_builtins(body.tools) or [],
            "top_p": body.top_p,
            "truncation": "disabled",
        }

    def begun(self, model: str) -> dict[str, Any]:
        """The response before anything was said."""
        return {
            **self._asked,
            "model": model,
            "status": "in_progress",
            "output": [],
            "usage": None,
            "incomplete_details": None,
        }

    def ended(self, response: InferenceResponse, output: list[Item] | None = None) -> dict[str, Any]:
        """The whole response; `output` when a stream has already named its items."""
        choice = response.output.first if response.output is not None else Choice()
        cut = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(choice.finish_reason)
        return {
            **self._asked,
            "model": response.served.model,
            "status": "incomplete" if cut else "completed",
            "output": self.items(choice) if output is None else output,
            "usage": usage(response.usage),
            "incomplete_details": {"reason": cut} if cut else None,
        }

    def items(self, choice: Choice) -> list[Item]:
        """The message, when there is text, then the calls."""
        found: list[Item] = []
        if choice.text or not choice.tool_calls:
            found.append(self.message(choice.text or ""))
        for call in choice.tool_calls:
            found.append(self.call(len(found), call))
        return found

    def message(self, text: str, *, status: str = "completed", index: int = 0) -> Item:
        content = [text_part(text)] if status == "completed" else []
        name = f"msg_{self._suffix}_{index}"
        return {"id": name, "type": "message", "role": "assistant", "status": status, "content": content}

    def call(self, index: int, call: Any, *, status: str = "completed") -> Item:
        function = call.get("function") or {}
        return {
            "id": f"fc_{self._suffix}_{index}",
            "type": "function_call",
            "status": status,
            "call_id": call.get("id") or f"call_{self._suffix}_{index}",
            "name": function.get("name") or "",
            "arguments": function.get("arguments") or "",
        }


def text_part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def usage(used: Usage) -> dict[str, Any]:
    return {
        "input_tokens": used.prompt_tokens,
        "input_tokens_details": {"cached_tokens": used.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": used.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": used.total_tokens,
    }
