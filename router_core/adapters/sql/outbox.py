"""The outbox: which messages are to be handed to a transport outside of the database, and when.

A message has one moment, `publish_s`, at which it is to be handed over. Storing, releasing, redriving and burying set it in
their own transaction, so that "stored" and "published" are one act; a message that is lent, or was handed over, has it in
the future, as the moment from which it counts as lost on the way. Whoever reads it first hands it over, at least once.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

from sqlalchemy import Connection, select, update

from router_core.adapters.sql.database import Database
from router_core.adapters.sql.tables import MESSAGES
from router_core.jobs.records import Parcel
from router_core.ports import Clock

HANDING_S: Final = 30.0
"""How long one may take to hand messages over before another does it again."""
WAITING_S: Final = 6 * 3600.0
"""What nobody took for so long is handed over once more: a copy of what is only waiting its turn does no harm."""
NEVER_S: Final = 1e12
_ALIKE_S: Final = 0.001
_CARRIED: Final = ("id", "key", "queue", "request_id", "dead", "tries", "reason")


class SqlOutbox:
    """Messages on their way out of one database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    async def due(self, most: int) -> tuple[Parcel, ...]:
        """Messages to hand over now, for nobody else meanwhile. Raises `StoreError`."""
        now = self._clock.now_s()
        wanted = (
            select(*(MESSAGES.c[name] for name in _CARRIED))
            .where(MESSAGES.c.publish_s <= now)
            .order_by(MESSAGES.c.publish_s, MESSAGES.c.id)
            .limit(most)
            .with_for_update(skip_locked=True)
        )

        def act(connection: Connection) -> list[Any]:
            rows = list(connection.execute(wanted).mappings())
            if rows:
                here = MESSAGES.c.id.in_([row["id"] for row in rows])
                connection.execute(update(MESSAGES).where(here).values(publish_s=now + HANDING_S))
            return rows

        rows = await self._database.write(act)
        return tuple(_parcel(row, now + HANDING_S) for row in rows)

    async def sent(self, parcels: Sequence[Parcel]) -> None:
        """They are handed over. One that somebody has taken since is left as it is. Raises `StoreError`."""
        now = self._clock.now_s()

        def act(connection: Connection) -> None:
            for dead, later_s in ((0, now + WAITING_S), (1, NEVER_S)):
                ours = [parcel for parcel in parcels if parcel.dead == bool(dead)]
                if not ours:
                    continue
                until = ours[0].until_s
                untouched = MESSAGES.c.publish_s.between(until - _ALIKE_S, until + _ALIKE_S)
                connection.execute(
                    update(MESSAGES)
                    .where(MESSAGES.c.key.in_([one.key for one in ours]), MESSAGES.c.dead == dead, untouched)
                    .values(publish_s=later_s)
                )

        await self._database.write(act)

    async def again(self, keys: Collection[str]) -> int:
        """Hand over once more those that live and that nobody has; how many. Raises `StoreError`."""
        now = self._clock.now_s()
        idle = MESSAGES.c.key.in_(keys) & (MESSAGES.c.dead == 0) & (MESSAGES.c.visible_s <= now)

        def act(connection: Connection) -> int:
            return connection.execute(update(MESSAGES).where(idle).values(publish_s=now)).rowcount

        return await self._database.write(act)

    async def known(self, keys: Collection[str]) -> dict[str, bool]:
        """Which of the messages are there, and whether each is dead. Raises `StoreError`."""
        wanted = select(MESSAGES.c.key, MESSAGES.c.dead).where(MESSAGES.c.key.in_(keys))
        return await self._database.read(
            lambda connection: {row.key: bool(row.dead) for row in connection.execute(wanted)}
        )


def _parcel(row: Any, until_s: float) -> Parcel:
    return Parcel(
        key=row["key"],
        queue=row["queue"],
        request_id=row["request_id"],
        dead=bool(row["dead"]),
        tries=row["tries"],
        reason=row["reason"],
        until_s=until_s,
    )
