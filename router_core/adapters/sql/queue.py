"""The queue in SQL: messages are lent for a while to one worker each and come back when it does not end them in time.

Where the database can skip locked rows, workers that ask together get different messages without waiting for each
other; in SQLite a writer is alone anyway.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, select, update

from router_core.adapters.sql.database import Database
from router_core.adapters.sql.rows import job_of
from router_core.adapters.sql.sealed import Sealer
from router_core.adapters.sql.tables import HISTORY, MESSAGES
from router_core.errors import StoreError
from router_core.jobs.records import Claim
from router_core.jobs.stages import ANSWERING, GATEWAY, INFERENCE, JUDGING, SERVES
from router_core.ports import Clock

LOST_S: Final = 60.0
"""A lease that ended so long ago without anybody taking the message again has lost it on the way: see `outbox`."""

# Made once: putting a statement together takes longer than running it.
_TURN: Final = (
    select(MESSAGES.c.id)
    .where(
        MESSAGES.c.queue == bindparam("in_queue"),
        MESSAGES.c.dead == 0,
        MESSAGES.c.visible_s <= bindparam("now"),
    )
    .with_for_update(skip_locked=True)
)
_DUE: Final = _TURN.order_by(MESSAGES.c.visible_s, MESSAGES.c.id).limit(bindparam("most"))
_NAMED: Final = _TURN.where(MESSAGES.c.key.in_(bindparam("names", expanding=True)))
_LEND: Final = (
    update(MESSAGES)
    .where(MESSAGES.c.id.in_(bindparam("ids", expanding=True)))
    .values(
        visible_s=bindparam("until"),
        publish_s=bindparam("lost"),
        token=bindparam("by"),
        tries=MESSAGES.c.tries + 1,
    )
)
_LENT: Final = select(MESSAGES).where(MESSAGES.c.token == bindparam("by"))
_JOBS: Final = select(HISTORY).where(
    HISTORY.c.request_id.in_(bindparam("ids", expanding=True)),
    HISTORY.c.stage.in_(bindparam("stages", expanding=True)),
)
_BEGIN: Final = (
    update(HISTORY)
    .where(HISTORY.c.request_id.in_(bindparam("ids", expanding=True)))
    .where(HISTORY.c.stage.in_(SERVES[ANSWERING]))
    .values(runs=HISTORY.c.runs + 1, stage=INFERENCE)
)
_JUDGE: Final = (
    update(HISTORY)
    .where(HISTORY.c.request_id.in_(bindparam("ids", expanding=True)))
    .where(HISTORY.c.stage.in_(SERVES[JUDGING]))
    .values(judge_runs=HISTORY.c.judge_runs + 1)
)
_BEGUN: Final = {ANSWERING: _BEGIN, JUDGING: _JUDGE}


class SqlJobQueue:
    """JobQueue over one database. Times are this machine's wall clock."""

    def __init__(self, database: Database, sealer: Sealer, clock: Clock) -> None:
        self._database, self._sealer, self._clock = database, sealer, clock

    async def claim(self, queue: str, most: int, lent_s: float) -> tuple[Claim, ...]:
        """Up to `most` messages whose turn it is, longest visible first. Raises `StoreError`."""
        return await self._lend(queue, None, most, lent_s)

    async def take(self, queue: str, keys: Sequence[str], lent_s: float) -> tuple[Claim, ...]:
        """Those of the named messages that may be lent now: for whoever was told of them by a transport outside. What
        is left out is done with, dead, delayed, or another's. Raises `StoreError`."""
        return await self._lend(queue, keys, len(keys), lent_s)

    async def _lend(
        self, queue: str, keys: Sequence[str] | None, most: int, lent_s: float
    ) -> tuple[Claim, ...]:
        now, token = self._clock.now_s(), secrets.token_hex(16)
        asked: dict[str, Any] = {"in_queue": queue, "now": now, "most": most}
        wanted = _DUE if keys is None else _NAMED
        if keys is not None:
            asked["names"] = list(keys)

        def act(connection: Connection) -> list[dict[str, Any]]:
            ids = [row.id for row in connection.execute(wanted, asked)]
            if not ids:
                return []
            until = now + lent_s
            lent = {"ids": ids, "until": until, "lost": until + LOST_S, "by": token}
            connection.execute(_LEND, lent)
            return _begun(connection, queue, token)

        return self._opened(await self._database.write(act, durable=False), queue, token)

    async def extend(self, claim: Claim, lent_s: float) -> bool:
        """Keep it for `lent_s` from now; False when it is no longer this worker's. Raises `StoreError`."""
        until = self._clock.now_s() + lent_s
        values = {"visible_s": until, "publish_s": until + LOST_S}
        return await self._database.write(lambda connection: _set(connection, claim, values), durable=False)

    async def release(self, claim: Claim, delay_s: float, reason: str, *, counted: bool = True) -> bool:
        """Give it back, to be lent again after `delay_s`; False when it is no longer this worker's. Not `counted`: the
        try did not count. Raises `StoreError`."""
        due_s = self._clock.now_s() + delay_s
        values: dict[str, Any] = {"visible_s": due_s, "publish_s": due_s, "token": None, "reason": reason}
        if not counted:
            values["tries"] = MESSAGES.c.tries - 1

        def act(connection: Connection) -> bool:
            if not _set(connection, claim, values):
                return False
            if claim.queue == ANSWERING and not counted:
                connection.execute(
                    update(HISTORY)
                    .where(HISTORY.c.request_id == claim.job.request_id, HISTORY.c.stage == INFERENCE)
                    .values(stage=GATEWAY, runs=HISTORY.c.runs - 1)
                )
            return True

        return await self._database.write(act)

    def _opened(self, rows: list[dict[str, Any]], queue: str, token: str) -> tuple[Claim, ...]:
        """The claims. A job that does not open stays lent and comes back: another worker may have its key."""
        found: list[Claim] = []
        for row in rows:
            try:
                job = job_of(row["job"], self._sealer)
            except StoreError:
                continue
            found.append(
                Claim(
                    key=row["key"],
                    queue=queue,
                    token=token,
                    tries=row["tries"],
                    job=job,
                    reason=row["reason"],
                    envelope=None if row["envelope"] is None else bytes(row["envelope"]),
                )
            )
        return tuple(found)


def _begun(connection: Connection, queue: str, token: str) -> list[dict[str, Any]]:
    """The lent messages with their jobs, which have now begun. Messages whose job has no use for them are ended."""
    lent = connection.execute(_LENT, {"by": token}).mappings().all()
    here = {"ids": [row["request_id"] for row in lent]}
    if queue in _BEGUN:
        connection.execute(_BEGUN[queue], here)
    useful = connection.execute(_JOBS, {**here, "stages": list(SERVES[queue])}).mappings()
    jobs = {row["request_id"]: row for row in useful}
    late = [row["id"] for row in lent if row["request_id"] not in jobs]
    if late:
        connection.execute(delete(MESSAGES).where(MESSAGES.c.id.in_(late)))
    found = [{**row, "job": jobs[row["request_id"]]} for row in lent if row["request_id"] in jobs]
    return sorted(found, key=lambda row: row["id"])


def _set(connection: Connection, claim: Claim, values: dict[str, Any]) -> bool:
    """Whether the message was still lent to this claim, and is changed."""
    mine = (MESSAGES.c.key == claim.key) & (MESSAGES.c.token == claim.token) & (MESSAGES.c.dead == 0)
    return connection.execute(update(MESSAGES).where(mine).values(**values)).rowcount == 1
