"""A LoRA adapter on a vLLM node as a fleet of none or one: loaded and unloaded at run time over the node's own API.

The node must run with `--enable-lora` and `VLLM_ALLOW_RUNTIME_LORA_UPDATING`, and the adapter's folder must lie on it.
What counts is the node's list of models: a call whose effect is already there has done its work, whatever it answers.
"""

from __future__ import annotations

from typing import Final

import orjson

from router_core.adapters.models.http_pool import HttpPool, Reply
from router_core.adapters.wire.http_wire import encode_headers
from router_core.errors import StoreError, TargetError
from router_core.ports import Standing

READ_S: Final = 5.0
LOAD_S: Final = 60.0
"""Loading reads the adapter's weights from the node's disk into its memory."""


class VllmAdapter:
    """`NodeFleet` of one adapter: `name` is the model that requests name, `folder` where it lies on the node."""

    def __init__(self, pool: HttpPool, name: str, folder: str, *, api_key: str | None = None) -> None:
        headers = {"content-type": "application/json"}
        if api_key is not None:
            headers["authorization"] = f"Bearer {api_key}"
        self._pool, self._name, self._folder = pool, name, folder
        self._headers = encode_headers(headers)

    async def standing(self) -> Standing:
        """One where the node lists it."""
        reply = await self._call("GET", "models", None, READ_S)
        try:
            listed = self._name in {row["id"] for row in orjson.loads(reply.body)["data"]}
        except (ValueError, KeyError, TypeError):
            raise StoreError("the node does not list its models") from None
        return Standing(wanted=int(listed), running=int(listed))

    async def want(self, count: int) -> None:
        """Load it, or unload it."""
        loads = count > 0
        body = {"lora_name": self._name} | ({"lora_path": self._folder} if loads else {})
        verb = "load" if loads else "unload"
        reply = await self._call("POST", f"{verb}_lora_adapter", orjson.dumps(body), LOAD_S)
        if reply.status == 200 or bool((await self.standing()).running) == loads:
            return
        raise StoreError(f"the node does not {verb} the adapter (status {reply.status})")

    async def _call(self, method: str, path: str, body: bytes | None, timeout_s: float) -> Reply:
        try:
            return await self._pool.request(
                method, f"{self._pool.origin.path}/{path}", self._headers, body, timeout_s=timeout_s
            )
        except TargetError as error:
            raise StoreError(f"the node cannot be asked: {error}") from None
