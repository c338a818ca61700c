"""How full the queues are, and what is old enough to be forgotten."""

from __future__ import annotations

from sqlalchemy import Connection, case, delete, func, select, update

from router_core.adapters.sql.database import Database
from router_core.adapters.sql.tables import HISTORY, MESSAGES
from router_core.jobs.records import Depth
from router_core.jobs.stages import TERMINAL
from router_core.ports import Clock

_AT_ONCE = 1_000


class SqlUpkeep:
    """Counts and forgets."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    async def depths(self) -> tuple[Depth, ...]:
        """All queues that hold a message. Raises `StoreError`."""
        now = self._clock.now_s()
        living = MESSAGES.c.dead == 0
        due = living & (MESSAGES.c.visible_s <= now)
        later = living & (MESSAGES.c.visible_s > now)
        wanted = select(
            MESSAGES.c.queue,
            func.sum(case((due, 1), else_=0)).label("waiting"),
            func.sum(case((later & MESSAGES.c.token.is_(None), 1), else_=0)).label("delayed"),
            func.sum(case((later & MESSAGES.c.token.is_not(None), 1), else_=0)).label("running"),
            func.sum(case((~living, 1), else_=0)).label("dead"),
            func.min(case((due, MESSAGES.c.queued_s), else_=None)).label("oldest"),
        ).group_by(MESSAGES.c.queue)

        def act(connection: Connection) -> tuple[Depth, ...]:
            return tuple(
                Depth(
                    queue=row.queue,
                    waiting=int(row.waiting),
                    delayed=int(row.delayed),
                    running=int(row.running),
                    dead=int(row.dead),
                    oldest_s=0.0 if row.oldest is None else max(0.0, now - float(row.oldest)),
                )
                for row in connection.execute(wanted.order_by(MESSAGES.c.queue))
            )

        return await self._database.read(act)

    async def forget(self, before_s: float) -> int:
        """Delete jobs that ended before that moment, with their dead messages. Raises `StoreError`."""
        old = (
            select(HISTORY.c.request_id)
            .where(HISTORY.c.stage.in_(TERMINAL), HISTORY.c.changed_s < before_s, HISTORY.c.batch.is_(None))
            .limit(_AT_ONCE)
        )

        def act(connection: Connection) -> int:
            ids = [row.request_id for row in connection.execute(old)]
            if ids:
                connection.execute(delete(MESSAGES).where(MESSAGES.c.request_id.in_(ids)))
                connection.execute(delete(HISTORY).where(HISTORY.c.request_id.in_(ids)))
            return len(ids)

        forgotten = 0
        while found := await self._database.write(act):
            forgotten += found
        return forgotten

    async def expire(self) -> int:
        """Empty the envelopes whose time is over, wherever their messages lie; how many. Raises `StoreError`."""
        over = (
            update(MESSAGES)
            .where(MESSAGES.c.envelope_until_s <= self._clock.now_s())
            .values(envelope=None, envelope_until_s=None)
        )
        return await self._database.write(lambda connection: connection.execute(over).rowcount)
