"""`/v1/batches`: made, told of, listed and cancelled, each for its own tenant only."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import msgspec

from gateway.batches.parts import About, BatchLimits, OpenBatches
from gateway.http import answers
from gateway.http.batches.bodies import BatchBody, StrictBatchBody, page_of
from gateway.http.batches.files import opened
from gateway.http.batches.shapes import batch_object, list_object
from gateway.http.exchange import Exchange
from gateway.http.intake import check_metadata
from gateway.http.openai.intake import ignored_header
from gateway.http.refusals import MethodError
from gateway.http.wire.decoding import LenientDecoder
from gateway.jobs.store import JobStore
from router_core.errors import ConflictError, NotFoundError, RateLimitedError, RequestError
from router_core.jobs.batches import INPUT, Batch
from router_core.payload import to_json
from router_core.ports import Clock

PREFIX: Final = "/v1/batches"
DAY_S: Final = 86_400.0
_BODY_BYTES: Final = 64 * 1024
_PATIENCE_S: Final = 30.0
_LONGEST_ID: Final = 64
_FULL_RETRY_S: Final = 60.0
_DECODER: Final = LenientDecoder[BatchBody](StrictBatchBody, BatchBody)


class BatchRoutes:
    """Everything under `/v1/batches`. `woken` is told of a new one."""

    def __init__(self, store: JobStore, clock: Clock, limits: BatchLimits, woken: Callable[[], None]) -> None:
        self._store, self._clock, self._limits, self._woken = store, clock, limits, woken

    async def __call__(self, exchange: Exchange) -> None:
        rest = exchange.path.removeprefix(PREFIX)
        if rest == "":
            await self._collection(exchange)
            return
        batch_id, _, act = rest.removeprefix("/").partition("/")
        if not rest.startswith("/") or not 0 < len(batch_id) <= _LONGEST_ID or act not in ("", "cancel"):
            raise NotFoundError("there is nothing here")
        allow = "POST" if act else "GET"
        if exchange.method != allow:
            raise MethodError(allow)
        batches = await opened(self._store)
        if act:
            await self._cancel(exchange, batches, batch_id)
        await _send(exchange, await self._found(exchange, batches, batch_id))

    async def _collection(self, exchange: Exchange) -> None:
        if exchange.method == "POST":
            await self._make(exchange)
        elif exchange.method == "GET":
            batches, page = await opened(self._store), page_of(exchange)
            found = await batches.shelf.page(exchange.known.tenant, replace(page, limit=page.limit + 1))
            shown = [batch_object(batch) for batch in found[: page.limit]]
            body = list_object(shown, more=len(found) > page.limit)
            await exchange.reply(200, [answers.JSON_TYPE], answers.encode(body))
        else:
            raise MethodError("GET, POST")

    async def _make(self, exchange: Exchange) -> None:
        body, ignored = _DECODER.decode(await exchange.read_json(_BODY_BYTES, _PATIENCE_S))
        check_metadata(body.metadata or {})
        batches, caller = await opened(self._store), exchange.known
        file = await batches.files.find(caller.tenant, body.input_file_id)
        if file is None:
            raise NotFoundError("no file of yours has this id", field="input_file_id")
        if file.purpose != INPUT:
            raise RequestError("this file was not uploaded for a batch", field="input_file_id")
        now, wishes = self._clock.now_s(), body.tierwise
        window_s = DAY_S if wishes is None or wishes.window_s is None else wishes.window_s
        batch = Batch(
            id=f"batch_{secrets.token_hex(12)}",
            tenant=caller.tenant,
            key_id=caller.key_id,
            endpoint=body.endpoint,
            input_file=file.id,
            created_s=now,
            expires_s=now + window_s,
            total=file.lines,
            about=msgspec.json.encode(to_json(self._about(exchange, body))),
        )
        if not await batches.shelf.create(batch, self._limits.tenant_batches):
            raise RateLimitedError("too many of your batches are not over", retry_after_s=_FULL_RETRY_S)
        self._woken()
        await _send(exchange, batch, ignored_header(ignored))

    def _about(self, exchange: Exchange, body: BatchBody) -> About:
        wishes, expiry = body.tierwise, body.output_expires_after
        shared = None
        if wishes is not None:
            given = {name: getattr(wishes, name) for name in ("preferences", "privacy", "location")}
            shared = {name: msgspec.to_builtins(value) for name, value in given.items() if value is not None}
        return About(
            caller=exchange.known,
            metadata=body.metadata or {},
            tierwise=shared or None,
            max_cost_usd=None if wishes is None else wishes.max_cost_usd,
            output_expires_s=None if expiry is None else float(expiry.seconds),
        )

    async def _cancel(self, exchange: Exchange, batches: OpenBatches, batch_id: str) -> None:
        batch = await self._found(exchange, batches, batch_id)
        if not await batches.work.cancel(batch.tenant, batch_id):
            raise ConflictError(f"a batch that is {batch.status} cannot be cancelled")
        self._woken()

    async def _found(self, exchange: Exchange, batches: OpenBatches, batch_id: str) -> Batch:
        batch = await batches.shelf.find(exchange.known.tenant, batch_id)
        if batch is None:
            raise NotFoundError("no batch of yours has this id")
        return batch


async def _send(exchange: Exchange, batch: Batch, headers: answers.Headers | None = None) -> None:
    body = answers.encode(batch_object(batch))
    await exchange.reply(200, [answers.JSON_TYPE, *(headers or ())], body)
