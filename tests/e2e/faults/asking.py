"""A client that believes nothing: it asks in every form and notes exactly what it was told, and in which order."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2

BOUND_S = 20.0
"""No request may take longer, whatever its target does."""
PROMPT_WORDS = 100
PROMPT = " ".join(["please count with me"] * (PROMPT_WORDS // 4))
TOOL = {
    "type": "function",
    "function": {
        "name": "act",
        "description": "act",
        "parameters": {"type": "object", "properties": {"value": {"type": "string"}}},
    },
}


@dataclass(slots=True, kw_only=True)
class Told:
    """What the client got. `ended`: the answer says of itself that it is whole. `grammar`: what broke the rules of
    its form. `handoffs` are (from, to); `attempts` are None where the form has no place for them."""

    status: int = 0
    request_id: str = ""
    text: str = ""
    arguments: str = ""
    finish: str | None = None
    ended: bool = False
    error: dict[str, Any] | None = None
    retry_after: str | None = None
    usage: dict[str, Any] | None = None
    cost_usd: float | None = None
    target: str | None = None
    handoffs: list[tuple[str, str]] = field(default_factory=list)
    attempts: list[dict[str, Any]] | None = None
    cache: str | None = None
    grammar: list[str] = field(default_factory=list)

    @property
    def words(self) -> list[str]:
        return self.text.split()


def body_of(form: str, target: str, *, helped: bool, tools: bool = False) -> dict[str, Any]:
    """A request of PROMPT_WORDS words that names its target; `helped` lets others step in."""
    preferences = {"fallback": helped, "optimize": "quality"}
    messages = [{"role": "user", "content": PROMPT}]
    streams = form in ("inference_sse", "chat_stream")
    if form.startswith("inference"):
        params = {"params": {"tools": [TOOL]}} if tools else {}
        return {
            "messages": messages,
            "stream": streams,
            "preferences": {**preferences, "target": target},
            **params,
        }
    body: dict[str, Any] = {"model": target, "messages": messages, "tierwise": {"preferences": preferences}}
    if tools:
        body["tools"] = [TOOL]
    if streams:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return body


def path_of(form: str) -> str:
    return "/inference" if form.startswith("inference") else "/v1/chat/completions"


async def ask(
    client: httpx2.AsyncClient, form: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> Told:
    """Send and read to the end. Raises when the answer breaks off without its proper end on the wire, or takes longer
    than BOUND_S."""
    reply = await client.post(path_of(form), json=body, headers=headers, timeout=BOUND_S)
    told = Told(
        status=reply.status_code,
        request_id=reply.headers.get("x-tierwise-request-id", ""),
        target=reply.headers.get("x-tierwise-target"),
        retry_after=reply.headers.get("retry-after"),
        cache=reply.headers.get("x-tierwise-cache"),
    )
    if reply.status_code != 200:
        found = reply.json()
        told.error = found if form.startswith("inference") else found["error"]
        told.attempts = (told.error or {}).get("attempts")
    elif form == "inference":
        _read_answer(told, reply.json())
    elif form == "chat":
        _read_completion(told, reply.json(), reply.headers)
    elif form == "inference_sse":
        _read_events(told, reply.text)
    else:
        _read_chunks(told, reply.text)
    return told


def _read_answer(told: Told, answer: Mapping[str, Any], *, streamed: bool = False) -> None:
    output = answer["output"]
    if not streamed:
        told.text = output["text"] or ""
        told.arguments = "".join(call["function"]["arguments"] for call in output["tool_calls"] or ())
    elif output["text"] is not None:
        told.grammar.append("the last event repeats the text")
    told.finish, told.ended = output["finish_reason"], answer["status"] == "completed"
    told.usage, told.cost_usd, told.attempts = answer["usage"], answer["cost_usd"], answer["attempts"]
    told.target = answer["routing"]["target"]
    handed = answer["routing"]["handoff"]
    if handed is not None and not streamed:
        told.handoffs.append((handed["from"], handed["to"]))


def _read_completion(told: Told, answer: Mapping[str, Any], headers: Mapping[str, str]) -> None:
    choice = answer["choices"][0]
    told.text = choice["message"]["content"] or ""
    told.arguments = "".join(
        call["function"]["arguments"] for call in choice["message"].get("tool_calls", ())
    )
    told.finish, told.ended, told.usage = choice["finish_reason"], True, answer["usage"]
    told.cost_usd = float(headers["x-tierwise-cost-usd"])


def _read_events(told: Told, page: str) -> None:
    events = [_event(block) for block in page.split("\n\n") if block]
    names = [name for name, _ in events]
    if names[0] != "decision" or names.count("decision") != 1:
        told.grammar.append("the first event, and only the first, is the decision")
    if names[-1] not in ("done", "error") or names.count("done") + names.count("error") != 1:
        told.grammar.append("exactly one done or error, and it is the last")
    for name, data in events:
        _read_event(told, name, data)


def _read_event(told: Told, name: str, data: Any) -> None:
    if name == "delta":
        told.text += data["text"]
        told.arguments += "".join(
            call["function"].get("arguments", "") for call in data.get("tool_calls", ())
        )
    elif name == "handoff":
        told.handoffs.append((data["from"], data["to"]))
    elif name == "done":
        _read_answer(told, data, streamed=True)
    elif name == "error":
        told.error, told.attempts = data, data.get("attempts")


def _event(block: str) -> tuple[str, Any]:
    name, data = block.split("\n")
    return name.removeprefix("event: "), json.loads(data.removeprefix("data: "))


def _read_chunks(told: Told, page: str) -> None:
    lines = [block.removeprefix("data: ") for block in page.split("\n\n") if block]
    told.ended = lines[-1] == "[DONE]"
    if lines.count("[DONE]") > 1 or ("[DONE]" in lines and not told.ended):
        told.grammar.append("one [DONE], and it is the last")
    for line in lines[: -1 if told.ended else None]:
        _read_chunk(told, json.loads(line))


def _read_chunk(told: Told, chunk: Mapping[str, Any]) -> None:
    if told.error is not None:
        told.grammar.append("nothing follows an error")
    if "error" in chunk:
        told.error, told.attempts = chunk["error"], chunk["error"].get("attempts")
        return
    if chunk.get("usage"):
        told.usage, told.cost_usd = chunk["usage"], chunk["tierwise"]["cost_usd"]
        told.target = chunk["tierwise"]["target"]
        if (handed := chunk["tierwise"]["handoff"]) is not None:
            told.handoffs.append((handed["from"], handed["to"]))
    for choice in chunk["choices"]:
        if told.finish is not None:
            told.grammar.append("no choice follows its finish_reason")
        told.text += choice["delta"].get("content") or ""
        for call in choice["delta"].get("tool_calls", ()):
            told.arguments += call["function"].get("arguments", "")
        told.finish = choice["finish_reason"]
