"""What operators do with the queues: look at messages, bring dead ones back, throw them away.

Works on ids, states and reasons alone. It has no key, so that it could not show a text if it wanted to.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, delete, select, update

from router_core.adapters.sql.database import Database
from router_core.adapters.sql.tables import HISTORY, MESSAGES
from router_core.jobs.records import Letter
from router_core.jobs.stages import ANSWERING, COMPLETED, CREATED, FAILED, JUDGE, JUDGING
from router_core.ports import Clock

STATES: Final = ("waiting", "delayed", "running", "dead")
_BACK: Final = {ANSWERING: (FAILED, CREATED), JUDGING: (COMPLETED, JUDGE)}
"""Where a job of the queue ended, and where it goes on."""
_AT_ONCE: Final = 500


class SqlLetters:
    """The messages of all queues."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    async def peek(self, queue: str | None, state: str | None, most: int) -> tuple[Letter, ...]:
        """The oldest messages, narrowed by what is given. Raises `StoreError`."""
        now = self._clock.now_s()
        wanted = (
            select(MESSAGES, HISTORY.c.tenant, HISTORY.c.stage, HISTORY.c.size)
            .join(HISTORY, HISTORY.c.request_id == MESSAGES.c.request_id, isouter=True)
            .where(*_narrowed(queue, state, now))
            .order_by(MESSAGES.c.queued_s, MESSAGES.c.id)
            .limit(most)
        )

        def act(connection: Connection) -> tuple[Letter, ...]:
            return tuple(_letter(row, now) for row in connection.execute(wanted).mappings())

        return await self._database.read(act)

    async def redrive(self, queue: str | None, request_id: str | None) -> int:
        """Let dead messages live again, with all their tries; how many. Raises `StoreError`."""
        now = self._clock.now_s()
        values = {"dead": 0, "dead_s": None, "tries": 0, "token": None, "visible_s": now, "publish_s": now}

        def act(connection: Connection) -> int:
            found = _dead(connection, queue, request_id, now)
            for name, (ended, again) in _BACK.items():
                jobs = [row.request_id for row in found if row.queue == name]
                connection.execute(
                    update(HISTORY)
                    .where(HISTORY.c.request_id.in_(jobs), HISTORY.c.stage == ended)
                    .values(stage=again, problem=None, changed_s=now)
                )
            here = MESSAGES.c.id.in_([row.id for row in found])
            connection.execute(update(MESSAGES).where(here).values(**values))
            return len(found)

        return await self._all(act)

    async def purge(self, queue: str | None, request_id: str | None) -> int:
        """Delete dead messages, and what their jobs kept to be tried again; how many. Raises `StoreError`."""
        now = self._clock.now_s()

        def act(connection: Connection) -> int:
            found = _dead(connection, queue, request_id, now)
            jobs = [row.request_id for row in found]
            connection.execute(update(HISTORY).where(HISTORY.c.request_id.in_(jobs)).values(request=None))
            connection.execute(delete(MESSAGES).where(MESSAGES.c.id.in_([row.id for row in found])))
            return len(found)

        return await self._all(act)

    async def _all(self, act: Any) -> int:
        """The act until nothing is left, a part at a time, so that nobody waits long for its locks."""
        count = 0
        while found := await self._database.write(act):
            count += found
        return count


def _dead(connection: Connection, queue: str | None, request_id: str | None, now: float) -> list[Any]:
    """Some of those that are dead by now: what dies again meanwhile is not brought back again."""
    wanted = select(MESSAGES.c.id, MESSAGES.c.queue, MESSAGES.c.request_id).where(
        MESSAGES.c.dead == 1, MESSAGES.c.dead_s <= now
    )
    if queue is not None:
        wanted = wanted.where(MESSAGES.c.queue == queue)
    if request_id is not None:
        wanted = wanted.where(MESSAGES.c.request_id == request_id)
    return list(connection.execute(wanted.limit(_AT_ONCE).with_for_update()))


def _narrowed(queue: str | None, state: str | None, now: float) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if queue is not None:
        found.append(MESSAGES.c.queue == queue)
    if state is not None:
        found.append(MESSAGES.c.dead == int(state == "dead"))
    if state == "waiting":
        found.append(MESSAGES.c.visible_s <= now)
    elif state in ("delayed", "running"):
        found.append(MESSAGES.c.visible_s > now)
        lent = MESSAGES.c.token.is_not(None)
        found.append(lent if state == "running" else ~lent)
    return found


def _letter(row: Any, now: float) -> Letter:
    return Letter(
        key=row["key"],
        queue=row["queue"],
        request_id=row["request_id"],
        tenant=row["tenant"] or "",
        stage=row["stage"] or "",
        state=_state(row, now),
        tries=row["tries"],
        age_s=max(0.0, now - row["queued_s"]),
        bytes=row["size"] or 0,
        reason=row["reason"],
    )


def _state(row: Any, now: float) -> str:
    if row["dead"]:
        return "dead"
    if row["visible_s"] <= now:
        return "waiting"
    return "delayed" if row["token"] is None else "running"
