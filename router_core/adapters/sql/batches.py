"""Batches in SQL: found by their owner, lent to one driver at a time, and changed only by the one that has them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, Table, func, insert, select, update

from router_core.adapters.sql.batches_tables import BATCHES
from router_core.adapters.sql.database import Database
from router_core.adapters.sql.sealed import Sealer
from router_core.adapters.sql.tables import HISTORY
from router_core.jobs.batches import CANCELLABLE, CANCELLED, CANCELLING, UNFINISHED, Batch, Lent, Page
from router_core.ports import Clock

_SEALED: Final = ("about", "errors")
_PLAIN: Final = tuple(item.name for item in fields(Batch) if item.name not in _SEALED)


class SqlBatches:
    """BatchShelf and BatchWork over one database."""

    def __init__(self, database: Database, sealer: Sealer, clock: Clock) -> None:
        self._database, self._sealer, self._clock = database, sealer, clock

    async def create(self, batch: Batch, most: int) -> bool:
        """False and nothing where the tenant has `most` unfinished ones. Raises `StoreError`."""
        plain = {name: getattr(batch, name) for name in _PLAIN}
        row = {**plain, **self._sealed(batch, {"about": batch.about}), "lent_until_s": 0.0}
        unfinished = select(func.count()).where(
            BATCHES.c.tenant == batch.tenant, BATCHES.c.status.in_(UNFINISHED)
        )

        def act(connection: Connection) -> bool:
            if connection.execute(unfinished).scalar_one() >= most:
                return False
            connection.execute(insert(BATCHES).values(row))
            return True

        return await self._database.write(act)

    async def find(self, tenant: str, batch_id: str) -> Batch | None:
        """The tenant's batch. Raises `StoreError`."""
        wanted = select(BATCHES).where(BATCHES.c.id == batch_id, BATCHES.c.tenant == tenant)

        def act(connection: Connection) -> Batch | None:
            row = connection.execute(wanted).mappings().first()
            return None if row is None else self._batch(row)

        return await self._database.read(act)

    async def page(self, tenant: str, page: Page) -> tuple[Batch, ...]:
        """A part of the tenant's batches. Raises `StoreError`."""
        wanted = part(BATCHES, tenant, page)

        def act(connection: Connection) -> tuple[Batch, ...]:
            return tuple(self._batch(row) for row in connection.execute(wanted).mappings())

        return await self._database.read(act)

    async def claim(self, most: int, lent_s: float) -> tuple[Lent, ...]:
        """Unfinished batches that nobody has, longest waiting first. Raises `StoreError`."""
        now, token = self._clock.now_s(), secrets.token_hex(16)
        free = (
            select(BATCHES.c.id)
            .where(BATCHES.c.status.in_(UNFINISHED), BATCHES.c.lent_until_s <= now)
            .order_by(BATCHES.c.lent_until_s, BATCHES.c.id)
            .limit(most)
            .with_for_update(skip_locked=True)
        )

        def act(connection: Connection) -> tuple[Lent, ...]:
            ids = [row.id for row in connection.execute(free)]
            if not ids:
                return ()
            here = BATCHES.c.id.in_(ids)
            connection.execute(update(BATCHES).where(here).values(token=token, lent_until_s=now + lent_s))
            rows = connection.execute(select(BATCHES).where(here)).mappings()
            return tuple(Lent(batch=self._batch(row), token=token) for row in rows)

        return await self._database.write(act)

    async def save(self, lent: Lent, changes: Mapping[str, Any], lent_s: float) -> bool:
        """Change it and keep it for `lent_s`; False, and nothing, when it is no longer this driver's, or was cancelled
        meanwhile. Raises `StoreError`."""
        batch, now = lent.batch, self._clock.now_s()
        values = {**changes, **self._sealed(batch, changes), "lent_until_s": now + lent_s}
        if lent_s == 0.0:
            values["token"] = None
        mine = (BATCHES.c.id == batch.id) & (BATCHES.c.token == lent.token)
        mine = mine & (BATCHES.c.status == batch.status)
        over = changes.get("status", batch.status) not in UNFINISHED

        def act(connection: Connection) -> bool:
            if connection.execute(update(BATCHES).where(mine).values(**values)).rowcount != 1:
                return False
            if over:
                # Their results are in the files now; what is left of them is forgotten like any other job.
                connection.execute(update(HISTORY).where(HISTORY.c.batch == batch.id).values(batch=None))
            return True

        return await self._database.write(act)

    async def cancel(self, tenant: str, batch_id: str) -> bool:
        """Its owner wants no more of it; False when it is too late. Raises `StoreError`."""
        now = self._clock.now_s()
        here = (BATCHES.c.id == batch_id) & (BATCHES.c.tenant == tenant) & BATCHES.c.status.in_(CANCELLABLE)
        # Whoever works on it has to look again.
        values = {"status": CANCELLING, "outcome": CANCELLED, "cancelling_s": now, "lent_until_s": 0.0}
        change = update(BATCHES).where(here).values(**values, token=None)
        return await self._database.write(lambda connection: connection.execute(change).rowcount == 1)

    def _batch(self, row: RowMapping) -> Batch:
        plain: dict[str, Any] = {name: row[name] for name in _PLAIN}
        opened: dict[str, Any] = {
            name: None
            if row[name] is None
            else self._sealer.open(bytes(row[name]), _about(row["tenant"], row["id"], name))
            for name in _SEALED
        }
        return Batch(**plain, **opened)

    def _sealed(self, batch: Batch, given: Mapping[str, Any]) -> dict[str, bytes]:
        return {
            name: self._sealer.seal(given[name], _about(batch.tenant, batch.id, name))
            for name in _SEALED
            if given.get(name) is not None
        }


def part(table: Table, tenant: str, page: Page, *more: ColumnElement[bool]) -> Select[Any]:
    """A tenant's rows of a table in the order of their making, from behind the one that is named."""
    moment, name = table.c.created_s, table.c.id
    wanted = select(table).where(table.c.tenant == tenant, *more)
    if page.after is not None:
        there = select(moment).where(name == page.after, table.c.tenant == tenant).scalar_subquery()
        later = (moment > there) | ((moment == there) & (name > page.after))
        earlier = (moment < there) | ((moment == there) & (name < page.after))
        wanted = wanted.where(later if page.ascending else earlier)
    order = (moment, name) if page.ascending else (moment.desc(), name.desc())
    return wanted.order_by(*order).limit(page.limit)


def _about(tenant: str, batch_id: str, column: str) -> str:
    return f"{tenant}/{batch_id}/{column}"
