"""Every way a text can come in and an answer can go out: the endpoints, each in each of its modes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from gateway.http.edge import Gateway
from tests.unit.gateway.asgi import Reply, call

TOOLS: Final = [
    {"type": "function", "function": {"name": "note", "parameters": {"type": "object", "properties": {}}}}
]
Body = Callable[[str], dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Way:
    """`answers`: what it answers can hold text. `whole` False where it is streamed."""

    name: str
    path: str
    body: Body
    answers: bool = True
    whole: bool = True
    later: bool = False

    async def ask(self, app: Gateway, text: str) -> Reply:
        """The answer; of an asynchronous request what is told when it is over."""
        reply = await call(app, "POST", self.path, self.body(text))
        if not self.later or reply.status != 202:
            return reply
        where = f"/inference/{reply.json['request_id']}"
        found = await call(app, "GET", where)
        while found.json.get("stage") not in ("COMPLETED", "FAILED"):
            await asyncio.sleep(0)
            found = await call(app, "GET", where)
        return found


def _message(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


def _result(text: str) -> list[dict[str, Any]]:
    used = {"id": "call_1", "type": "function", "function": {"name": "note", "arguments": "{}"}}
    return [
        {"role": "user", "content": "what did the tool say"},
        {"role": "assistant", "content": None, "tool_calls": [used]},
        {"role": "tool", "tool_call_id": "call_1", "content": text},
    ]


def _parts(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "text", "text": text}]}]


def _inference(path: str, **more: Any) -> Body:
    return lambda text: {"messages": _message(text), "task": "chat", **more}


def _chat(**more: Any) -> Body:
    return lambda text: {"model": "auto", "messages": _message(text), **more}


CHAT, TEXT, RESPONSES, EMBED = "/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/embeddings"
WAYS: Final = (
    Way(name="inference", path="/inference", body=_inference("/inference")),
    Way(name="inference input", path="/inference", body=lambda text: {"input": text, "task": "chat"}),
    Way(name="inference parts", path="/inference", body=lambda text: {"messages": _parts(text), "task": "chat"}),
    Way(name="inference stream", path="/inference", body=_inference("", stream=True), whole=False),
    Way(name="inference async", path="/inference", body=_inference("", mode="async"), later=True),
    Way(name="inference tools", path="/inference", body=_inference("", params={"tools": TOOLS})),
    Way(name="inference tools stream", path="/inference", body=_inference("", params={"tools": TOOLS}, stream=True), whole=False),
    Way(name="inference tool result", path="/inference", body=lambda text: {"messages": _result(text), "task": "chat"}),
    Way(name="inference embed", path="/inference", body=lambda text: {"input": text, "task": "embed"}, answers=False),
    Way(name="explain", path="/explain", body=_inference(""), answers=False),
    Way(name="chat", path=CHAT, body=_chat()),
    Way(name="chat stream", path=CHAT, body=_chat(stream=True, stream_options={"include_usage": True}), whole=False),
    Way(name="chat n", path=CHAT, body=_chat(n=2)),
    Way(name="chat n stream", path=CHAT, body=_chat(n=2, stream=True), whole=False),
    Way(name="chat tools", path=CHAT, body=_chat(tools=TOOLS)),
    Way(name="chat tools stream", path=CHAT, body=_chat(tools=TOOLS, stream=True), whole=False),
    Way(name="chat tool result", path=CHAT, body=lambda text: {"model": "auto", "messages": _result(text)}),
    Way(name="completion", path=TEXT, body=lambda text: {"model": "auto", "prompt": text}),
    Way(name="completion stream", path=TEXT, body=lambda text: {"model": "auto", "prompt": text, "stream": True}, whole=False),
    Way(name="completions of two", path=TEXT, body=lambda text: {"model": "auto", "prompt": ["hello", text]}),
    Way(name="responses", path=RESPONSES, body=lambda text: {"model": "auto", "input": text}),
    Way(name="responses stream", path=RESPONSES, body=lambda text: {"model": "auto", "input": text, "stream": True}, whole=False),
    Way(name="responses instructions", path=RESPONSES, body=lambda text: {"model": "auto", "instructions": "be brief", "input": text}),
    Way(name="embeddings", path=EMBED, body=lambda text: {"model": "auto", "input": text}, answers=False),
    Way(name="embeddings of two", path=EMBED, body=lambda text: {"model": "auto", "input": ["hello", text]}, answers=False),
)  # fmt: skip
NO_CONTENT: Final = {
    "/device/outcomes": "figures of plans that devices ran",
    "/device/bundle": "gives out what is signed",
    "/v1/files": "keeps lines until a batch runs them as requests",
    "/v1/batches": "its lines are requests of the endpoints above",
}
"""Hot paths without a text for a target."""


def code_of(reply: Reply, way: Way) -> str:
    """How a refusal calls itself, in the dialect of the path; of a job, its problem's."""
    body = reply.json
    if way.later:
        body = body.get("problem") or body
    if "error" in body:
        return str(body["error"]["code"])
    return str(body.get("type", "")).rpartition(":")[2]


def told(reply: Reply) -> str:
    """All that a caller can read, with the deltas of a stream put together."""
    raw = reply.body.decode()
    if "text/event-stream" not in reply.headers.get("content-type", ""):
        return raw
    texts: dict[Any, str] = {}
    for _, data in reply.events:
        if not isinstance(data, dict):
            continue
        for index, piece in _deltas(data):
            texts[index] = texts.get(index, "") + piece
    return raw + json.dumps(list(texts.values()), ensure_ascii=False)


def _deltas(data: dict[str, Any]) -> list[tuple[Any, str]]:
    found: list[tuple[Any, str]] = []
    if isinstance(data.get("text"), str):
        found.append(("text", data["text"]))
    found += [("args", c.get("function", {}).get("arguments") or "") for c in data.get("tool_calls") or ()]
    if isinstance(data.get("delta"), str):
        found.append((data.get("type"), data["delta"]))
    for choice in data.get("choices") or ():
        delta, index = choice.get("delta") or {}, choice.get("index")
        found.append((index, choice.get("text") or delta.get("content") or ""))
        found += [
            ((index, "args"), c.get("function", {}).get("arguments") or "")
            for c in delta.get("tool_calls") or ()
        ]
    return found
