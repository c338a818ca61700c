"""The MEC stand-in's metrics follow its real load, and a client that leaves frees its slot."""

from __future__ import annotations

import asyncio
import re
from collections.abc import MutableMapping
from typing import Any

import orjson

from gateway.sandbox.faults import Script, Step
from gateway.sandbox.mec import MecOptions, MecStandIn

MODEL = "llama-3.1-8b"


class Client:
    """Calls the application directly and can leave in the middle of an answer."""

    def __init__(self, app: MecStandIn) -> None:
        self._app = app
        self._left = asyncio.Event()
        self.sent: list[MutableMapping[str, Any]] = []

    def leave(self) -> None:
        self._left.set()

    async def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> bytes:
        messages = [{"type": "http.request", "body": orjson.dumps(body or {}), "more_body": False}]

        async def receive() -> MutableMapping[str, Any]:
            if messages:
                return messages.pop()
            await self._left.wait()
            return {"type": "http.disconnect"}

        async def send(message: MutableMapping[str, Any]) -> None:
            self.sent.append(message)

        scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "headers": []}
        await self._app(scope, receive, send)
        return b"".join(message.get("body", b"") for message in self.sent)


async def metrics(app: MecStandIn) -> dict[str, float]:
    """Each series of the page for the chat model, its labels reduced to what tells it apart."""
    page = (await Client(app).call("GET", "/metrics")).decode()
    row = re.compile(r'(vllm:\w+)\{engine="0",(.*)model_name="' + re.escape(MODEL) + r'"\} (\S+)')
    return {found[1] + found[2]: float(found[3]) for found in map(row.fullmatch, page.split("\n")) if found}


def chat(text: str, **fields: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": text}], **fields}


async def settled(app: MecStandIn, running: float, waiting: float) -> None:
    """Return when the node reports this load."""
    while True:
        values = await metrics(app)
        if (values["vllm:num_requests_running"], values["vllm:num_requests_waiting"]) == (running, waiting):
            return
        await asyncio.sleep(0)


async def test_requests_past_the_slots_wait_and_a_left_one_makes_room() -> None:
    script = Script()
    script.push(MODEL, Step(stall_after=1, repeat=3))
    app = MecStandIn(MecOptions(slots=2, pace=0), script)
    clients = [Client(app) for _ in range(3)]
    calls = [
        asyncio.ensure_future(client.call("POST", "/v1/chat/completions", chat("Hello", stream=True)))
        for client in clients
    ]
    await settled(app, 2, 1)
    assert 0 < (await metrics(app))["vllm:kv_cache_usage_perc"] < 1
    clients[0].leave()
    await settled(app, 2, 0)
    for client in clients[1:]:
        client.leave()
    await settled(app, 0, 0)
    await asyncio.gather(*calls)
    values = await metrics(app)
    assert values["vllm:kv_cache_usage_perc"] == 0
    assert values['vllm:request_success_totalfinished_reason="stop",'] == 0


async def test_tokens_and_finished_requests_are_counted() -> None:
    app = MecStandIn(MecOptions(pace=0))
    answer = orjson.loads(await Client(app).call("POST", "/v1/chat/completions", chat("Hi", max_tokens=6)))
    values = await metrics(app)
    assert values["vllm:generation_tokens_total"] == answer["usage"]["completion_tokens"] == 6
    assert values["vllm:prompt_tokens_total"] == answer["usage"]["prompt_tokens"]
    assert values['vllm:request_success_totalfinished_reason="length",'] == 1
    assert values["vllm:time_to_first_token_seconds_count"] == 1
    assert values['vllm:time_to_first_token_seconds_bucketle="+Inf",'] == 1


async def test_a_repeated_prompt_hits_the_prefix_cache_and_another_does_not() -> None:
    app = MecStandIn(MecOptions(pace=0))
    for text, hits in (("long question " * 40, 0), ("other question " * 40, 0), ("long question " * 40, 128)):
        before = (await metrics(app))["vllm:prefix_cache_hits_total"]
        await Client(app).call("POST", "/v1/chat/completions", chat(text, max_tokens=1))
        gained = (await metrics(app))["vllm:prefix_cache_hits_total"] - before
        assert gained == 0 if hits == 0 else gained >= hits
