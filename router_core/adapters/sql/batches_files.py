"""Files of batches in SQL, in sealed pieces, so that every gateway and worker at the database can read them and none has to
hold one whole. A piece that is moved to another file or another place does not open."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update

from router_core.adapters.sql.batches import part
from router_core.adapters.sql.batches_tables import BATCHES, CHUNKS, FILES
from router_core.adapters.sql.database import Database
from router_core.adapters.sql.sealed import Sealer
from router_core.errors import ConflictError
from router_core.jobs.batches import UNFINISHED, Page, StoredFile
from router_core.ports import Clock

LEFT_S = 3600.0
"""What is still not whole after so long never will be: its sender has left."""


class SqlFiles:
    """FileShelf and FileContent over one database."""

    def __init__(self, database: Database, sealer: Sealer, clock: Clock) -> None:
        self._database, self._sealer, self._clock = database, sealer, clock

    async def find(self, tenant: str, file_id: str) -> StoredFile | None:
        """The tenant's file, where it is whole and not past its time. Raises `StoreError`."""
        wanted = select(FILES).where(FILES.c.id == file_id, FILES.c.tenant == tenant, self._here())

        def act(connection: Connection) -> StoredFile | None:
            row = connection.execute(wanted).mappings().first()
            return None if row is None else self._file(row)

        return await self._database.read(act)

    async def page(self, tenant: str, page: Page) -> tuple[StoredFile, ...]:
        """A part of the tenant's files. Raises `StoreError`."""
        more = () if page.purpose is None else (FILES.c.purpose == page.purpose,)
        wanted = part(FILES, tenant, page, self._here(), *more)

        def act(connection: Connection) -> tuple[StoredFile, ...]:
            return tuple(self._file(row) for row in connection.execute(wanted).mappings())

        return await self._database.read(act)

    async def used(self, tenant: str) -> tuple[int, int]:
        """How many files the tenant has, unfinished ones included, and their bytes. Raises `StoreError`."""
        wanted = select(func.count(), func.coalesce(func.sum(FILES.c.bytes), 0)).where(
            FILES.c.tenant == tenant
        )

        def act(connection: Connection) -> tuple[int, int]:
            count, size = connection.execute(wanted).one()
            return int(count), int(size)

        return await self._database.read(act)

    async def delete(self, tenant: str, file_id: str) -> bool:
        """False when it is not there. Raises `ConflictError` while a batch needs it, or `StoreError`."""
        mine = (FILES.c.id == file_id) & (FILES.c.tenant == tenant)
        needed = select(BATCHES.c.id).where(
            BATCHES.c.tenant == tenant, BATCHES.c.input_file == file_id, BATCHES.c.status.in_(UNFINISHED)
        )

        def act(connection: Connection) -> bool | None:
            if connection.execute(needed.limit(1)).first() is not None:
                return None
            if connection.execute(delete(FILES).where(mine)).rowcount != 1:
                return False
            connection.execute(delete(CHUNKS).where(CHUNKS.c.file == file_id))
            return True

        done = await self._database.write(act)
        if done is None:
            raise ConflictError("a batch that is not over needs this file; cancel it first")
        return done

    async def write(self, file: StoredFile, number: int, piece: bytes) -> None:
        """Put a piece in its place. Raises `StoreError`."""
        sealed = self._sealer.seal(piece, f"{file.tenant}/{file.id}/{number}")
        known = select(FILES.c.id).where(FILES.c.id == file.id)
        place = (CHUNKS.c.file == file.id) & (CHUNKS.c.number == number)

        def act(connection: Connection) -> None:
            if connection.execute(known).first() is None:
                connection.execute(insert(FILES).values(**self._row(file), ready=0))
            connection.execute(delete(CHUNKS).where(place))
            connection.execute(insert(CHUNKS).values(file=file.id, number=number, content=sealed))
            size = FILES.c.bytes + len(piece)
            connection.execute(
                update(FILES).where(FILES.c.id == file.id, FILES.c.ready == 0).values(bytes=size)
            )

        await self._database.write(act)

    async def finish(self, file: StoredFile) -> None:
        """It is whole. Raises `StoreError`."""
        values = {"ready": 1, "bytes": file.bytes, "lines": file.lines, "expires_s": file.expires_s}
        known = select(FILES.c.id).where(FILES.c.id == file.id)

        def act(connection: Connection) -> None:
            if connection.execute(known).first() is None:
                connection.execute(insert(FILES).values(**self._row(file), ready=1))
            connection.execute(update(FILES).where(FILES.c.id == file.id).values(**values))

        await self._database.write(act)

    async def read(self, file: StoredFile, number: int) -> bytes | None:
        """A piece; None behind the last one. Raises `StoreError`."""
        wanted = select(CHUNKS.c.content).where(CHUNKS.c.file == file.id, CHUNKS.c.number == number)
        sealed = await self._database.read(lambda connection: connection.execute(wanted).scalar())
        return (
            None if sealed is None else self._sealer.open(bytes(sealed), f"{file.tenant}/{file.id}/{number}")
        )

    async def sweep(self) -> int:
        """Delete what is past its time, and what was never finished; how many. Raises `StoreError`."""
        now = self._clock.now_s()
        needed = select(BATCHES.c.input_file).where(BATCHES.c.status.in_(UNFINISHED))
        old = (FILES.c.expires_s <= now) | ((FILES.c.ready == 0) & (FILES.c.created_s < now - LEFT_S))
        wanted = select(FILES.c.id).where(old, FILES.c.id.not_in(needed)).limit(100)

        def act(connection: Connection) -> int:
            ids = [row.id for row in connection.execute(wanted)]
            connection.execute(delete(CHUNKS).where(CHUNKS.c.file.in_(ids)))
            connection.execute(delete(FILES).where(FILES.c.id.in_(ids)))
            return len(ids)

        return await self._database.write(act)

    def _here(self) -> Any:
        unexpired = FILES.c.expires_s.is_(None) | (FILES.c.expires_s > self._clock.now_s())
        return (FILES.c.ready == 1) & unexpired

    def _row(self, file: StoredFile) -> dict[str, Any]:
        sealed = self._sealer.seal(file.filename.encode(), f"{file.tenant}/{file.id}/filename")
        return {
            "id": file.id, "tenant": file.tenant, "purpose": file.purpose, "filename": sealed, "bytes": 0, "lines": 0,
            "created_s": file.created_s, "expires_s": file.expires_s,
        }  # fmt: skip

    def _file(self, row: RowMapping) -> StoredFile:
        name = self._sealer.open(bytes(row["filename"]), f"{row['tenant']}/{row['id']}/filename")
        return StoredFile(
            id=row["id"],
            tenant=row["tenant"],
            purpose=row["purpose"],
            filename=name.decode(),
            created_s=row["created_s"],
            expires_s=row["expires_s"],
            bytes=int(row["bytes"]),
            lines=int(row["lines"]),
        )
