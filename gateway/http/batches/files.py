"""`/v1/files`: taken in, told of, sent back and deleted, each for its own tenant only."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from gateway.batches.parts import BatchLimits, OpenBatches
from gateway.batches.reading import PieceWriter, UploadCheck
from gateway.http import answers
from gateway.http.batches.bodies import page_of
from gateway.http.batches.shapes import file_object, list_object
from gateway.http.batches.upload import Upload
from gateway.http.exchange import Exchange
from gateway.http.refusals import MethodError, SlowBodyError
from gateway.jobs.store import JobStore
from router_core.errors import NotFoundError, RequestError, TooLargeError
from router_core.jobs.batches import INPUT, StoredFile
from router_core.ports import Clock

PREFIX: Final = "/v1/files"
_FORM_BYTES: Final = 64 * 1024
_PATIENCE_S: Final = 30.0
_UPLOAD_S: Final = 1800.0
_LONGEST_ID: Final = 64
_NO_FILE: Final = "no file of yours has this id"


class FileRoutes:
    """Everything under `/v1/files`."""

    def __init__(self, store: JobStore, clock: Clock, limits: BatchLimits) -> None:
        self._store, self._clock, self._limits = store, clock, limits

    async def __call__(self, exchange: Exchange) -> None:
        rest = exchange.path.removeprefix(PREFIX)
        if rest == "":
            await self._collection(exchange)
            return
        file_id, _, act = rest.removeprefix("/").partition("/")
        if not rest.startswith("/") or not 0 < len(file_id) <= _LONGEST_ID or act not in ("", "content"):
            raise NotFoundError("there is nothing here")
        batches = await opened(self._store)
        if exchange.method == "DELETE" and not act:
            await self._delete(exchange, batches, file_id)
        elif exchange.method != "GET":
            raise MethodError("GET" if act else "GET, DELETE")
        elif act:
            await self._content(exchange, batches, await self._found(exchange, batches, file_id))
        else:
            await _send(exchange, file_object(await self._found(exchange, batches, file_id)))

    async def _collection(self, exchange: Exchange) -> None:
        if exchange.method == "POST":
            try:
                async with asyncio.timeout(_UPLOAD_S):
                    await self._take(exchange)
            except TimeoutError:
                raise SlowBodyError(f"the file did not arrive within {_UPLOAD_S:g} s") from None
        elif exchange.method == "GET":
            batches, page = await opened(self._store), page_of(exchange)
            found = await batches.files.page(exchange.known.tenant, replace(page, limit=page.limit + 1))
            shown = [file_object(file) for file in found[: page.limit]]
            await _send(exchange, list_object(shown, more=len(found) > page.limit))
        else:
            raise MethodError("GET, POST")

    async def _take(self, exchange: Exchange) -> None:
        """One file of JSON Lines; nothing of it stays when it is refused."""
        upload = Upload(exchange.headers.get(b"content-type"))
        batches = await opened(self._store)
        tenant, now = exchange.known.tenant, self._clock.now_s()
        await self._room(batches, tenant)
        file = StoredFile(
            id=f"file-{secrets.token_hex(12)}", tenant=tenant, purpose=INPUT, filename="", created_s=now
        )
        try:
            taken = await self._stored(exchange, batches, upload, file)
        except BaseException:
            await asyncio.shield(batches.files.delete(tenant, file.id))
            raise
        await _send(exchange, file_object(taken))

    async def _stored(
        self, exchange: Exchange, batches: OpenBatches, upload: Upload, file: StoredFile
    ) -> StoredFile:
        check = UploadCheck(max_line_bytes=self._limits.line_bytes, max_lines=self._limits.lines)
        writer: PieceWriter | None = None
        async for piece in exchange.pieces(self._limits.file_bytes + _FORM_BYTES, _PATIENCE_S):
            for part in upload.feed(piece):
                if writer is None:
                    file = replace(file, filename=upload.filename or "")
                    writer = PieceWriter(batches.content, file)
                check.feed(part)
                await writer.add(part)
        if writer is None or not upload.ended:
            raise RequestError("the form holds no file", field="file")
        if upload.fields.get("purpose") != INPUT:
            raise RequestError("`purpose` is batch: files are taken for batches only", field="purpose")
        check.end()
        await writer.end()
        seconds = _expires_after(upload.fields)
        expires_s = None if seconds is None else file.created_s + seconds
        file = replace(file, bytes=writer.bytes, lines=check.lines, expires_s=expires_s)
        await batches.content.finish(file)
        return file

    async def _room(self, batches: OpenBatches, tenant: str) -> None:
        count, size = await batches.room.used(tenant)
        if count >= self._limits.tenant_files or size >= self._limits.tenant_bytes:
            raise TooLargeError("your files take all the room there is; delete some", field="file")

    async def _found(self, exchange: Exchange, batches: OpenBatches, file_id: str) -> StoredFile:
        file = await batches.files.find(exchange.known.tenant, file_id)
        if file is None:
            raise NotFoundError(_NO_FILE)
        return file

    async def _delete(self, exchange: Exchange, batches: OpenBatches, file_id: str) -> None:
        await self._found(exchange, batches, file_id)
        if not await batches.files.delete(exchange.known.tenant, file_id):
            raise NotFoundError(_NO_FILE)
        await _send(exchange, {"id": file_id, "object": "file", "deleted": True})

    async def _content(self, exchange: Exchange, batches: OpenBatches, file: StoredFile) -> None:
        """The file as it came, piece by piece."""
        kind, length = (b"content-type", b"application/jsonl"), (b"content-length", b"%d" % file.bytes)
        piece = await batches.content.read(file, 0)
        await exchange.start([kind, length, (b"x-content-type-options", b"nosniff")])
        number = 0
        while piece is not None:
            await exchange.write(piece)
            number += 1
            piece = await batches.content.read(file, number)
        await exchange.finish()


def _expires_after(fields: Mapping[str, str]) -> int | None:
    """Seconds after which the sender wants it gone. Raises RequestError."""
    given = fields.get("expires_after[seconds]")
    if given is None:
        return None
    known = given.isascii() and given.isdigit() and len(given) <= 7
    if (
        fields.get("expires_after[anchor]") != "created_at"
        or not known
        or not 3600 <= int(given) <= 2_592_000
    ):
        raise RequestError(
            "`expires_after` has the anchor created_at and 3600 to 2592000 seconds", field="expires_after"
        )
    return int(given)


async def opened(store: JobStore) -> OpenBatches:
    """The shelves of the store. Raises `StoreError`."""
    found = (await store.opened()).batches
    if found is None:
        raise NotFoundError("this gateway's store keeps no batches")
    return found


async def _send(exchange: Exchange, body: object) -> None:
    await exchange.reply(200, [answers.JSON_TYPE], answers.encode(body))
