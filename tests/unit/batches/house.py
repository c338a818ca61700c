"""An application with batches over a store, and how tests send it files and wait for their ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from gateway.batches.assembly import BatchesPlan
from gateway.batches.parts import BatchLimits
from gateway.http.edge import Gateway
from gateway.jobs.store import JobStore
from router_core.inference import InferenceRequest, InferenceResponse
from tests.unit.gateway.asgi import USER, Reply, application, call
from tests.unit.gateway.scripted import OpenLimiter, ScriptedRouter
from tests.unit.jobs.house import plan

CHAT = "/v1/chat/completions"
OVER = ("completed", "failed", "expired", "cancelled")


class LineRouter(ScriptedRouter):
    """Remembers what it was asked to answer, not what it was asked to decide."""

    async def explain(self, request: InferenceRequest) -> InferenceResponse:
        explained = await super().explain(request)
        self.asked.remove(request)
        return explained


def line(number: int, url: str = CHAT, **body: Any) -> dict[str, Any]:
    given = {"model": "auto", "messages": [{"role": "user", "content": f"question {number}"}], **body}
    return {"custom_id": f"r-{number}", "method": "POST", "url": url, "body": given}


def form(content: bytes, **fields: str) -> tuple[bytes, dict[str, str]]:
    """A multipart body and its headers."""
    parts = [
        f'--b\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'.encode()
        for name, text in fields.items()
    ]
    head = b'--b\r\ncontent-disposition: form-data; name="file"; filename="in.jsonl"\r\n\r\n'
    return b"".join([*parts, head, content, b"\r\n--b--\r\n"]), {
        "content-type": "multipart/form-data; boundary=b"
    }


def jsonl(lines: Iterable[Any]) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in lines)


async def upload(app: Gateway, content: bytes, *, key: str = USER, **fields: str) -> Reply:
    body, headers = form(content, **({"purpose": "batch"} | fields))
    headers["content-length"] = str(len(body))
    return await call(app, "POST", "/v1/files", body, key=key, headers=headers)


async def make(app: Gateway, lines: Iterable[Any], *, key: str = USER, **more: Any) -> Reply:
    """A batch of these lines."""
    sent = await upload(app, jsonl(lines), key=key)
    assert sent.status == 200, sent.json
    body = {"input_file_id": sent.json["id"], "endpoint": CHAT, "completion_window": "24h", **more}
    return await call(app, "POST", "/v1/batches", body, key=key)


async def ended(app: Gateway, batch_id: str, *, key: str = USER) -> dict[str, Any]:
    async with asyncio.timeout(20.0):
        while True:
            found: dict[str, Any] = (await call(app, "GET", f"/v1/batches/{batch_id}", key=key)).json
            if found["status"] in OVER:
                return found
            await asyncio.sleep(0.02)


async def content(app: Gateway, file_id: str | None, *, key: str = USER) -> list[dict[str, Any]]:
    """The lines of a result file; none where there is no file."""
    if file_id is None:
        return []
    reply = await call(app, "GET", f"/v1/files/{file_id}/content", key=key)
    assert reply.status == 200
    return [json.loads(one) for one in reply.body.splitlines()]


@asynccontextmanager
async def batch_house(
    store: JobStore,
    router: ScriptedRouter | None = None,
    limiter: OpenLimiter | None = None,
    limits: BatchLimits | None = None,
    **changes: Any,
) -> AsyncIterator[Gateway]:
    """The application with its loops running."""
    made = replace(plan(store, batches=BatchesPlan(limits=limits or BatchLimits())), **changes)
    app = application(router or LineRouter(), limiter, jobs=made)
    said: asyncio.Queue[Any] = asyncio.Queue()
    heard: asyncio.Queue[Any] = asyncio.Queue()
    living = asyncio.create_task(app({"type": "lifespan", "state": {}}, said.get, heard.put))
    said.put_nowait({"type": "lifespan.startup"})
    assert (await heard.get())["type"] == "lifespan.startup.complete"
    try:
        yield app
    finally:
        said.put_nowait({"type": "lifespan.shutdown"})
        await heard.get()
        await living
