"""Job history in SQL. "Stored" and "published" are one act, because the messages lie in the same database: a step
changes the row, ends its message and writes the next ones in one transaction, or does nothing at all.

A database that goes away while it commits leaves the worker not knowing whether it did. So a row remembers which run stored
what: whoever offers the same result again is told that it is stored, and nothing is paid for twice in the books.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2s
from typing import Any, Final

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from router_core.adapters.sql.database import Database
from router_core.adapters.sql.rows import changes_of, job_of, row_of
from router_core.adapters.sql.sealed import Sealer
from router_core.adapters.sql.tables import HISTORY, MESSAGES
from router_core.jobs.records import Claim, Envelope, Job, Step
from router_core.jobs.stages import ANSWERING, JUDGING, TERMINAL, WEBHOOKS, left_by, message_key
from router_core.ports import Clock

_SETTLED: Final[Mapping[str, str]] = {ANSWERING: "answered_by", JUDGING: "judged_by"}


class SqlJobHistory:
    """JobHistory over one database."""

    def __init__(self, database: Database, sealer: Sealer, clock: Clock) -> None:
        self._database, self._sealer, self._clock = database, sealer, clock

    async def create(
        self, job: Job, queues: Sequence[str] = (ANSWERING,), envelope: Envelope | None = None
    ) -> bool:
        """Store a new job with its messages; False and nothing when its id is there. Raises `StoreError`."""
        now = self._clock.now_s()
        row = row_of(job, self._sealer) | {"changed_s": now}

        def act(connection: Connection) -> bool:
            try:
                with connection.begin_nested():
                    connection.execute(insert(HISTORY).values(row))
            except IntegrityError:
                return False
            _publish(connection, job.request_id, queues, now, envelope)
            return True

        return await self._database.write(act)

    async def advance(self, claim: Claim, step: Step) -> bool:
        """Store a step of the claimed job; False when another was faster: then only what this run cost is kept.
        Raises `StoreError`."""
        now = self._clock.now_s()
        changes = changes_of(claim.job, step, self._sealer)
        return await self._database.write(lambda connection: _advance(connection, claim, step, changes, now))

    async def find(self, tenant: str, request_id: str) -> Job | None:
        """The tenant's job, None when there is none of this id. Raises `StoreError`."""
        wanted = select(HISTORY).where(HISTORY.c.request_id == request_id, HISTORY.c.tenant == tenant)

        def act(connection: Connection) -> Job | None:
            row = connection.execute(wanted).mappings().first()
            return None if row is None else job_of(row, self._sealer)

        return await self._database.read(act)


def _advance(connection: Connection, claim: Claim, step: Step, changes: dict[str, Any], now: float) -> bool:
    request_id = claim.job.request_id
    if claim.queue == WEBHOOKS:
        # Telling of a job changes nothing about it; it may have been redriven meanwhile.
        changes = {}
    elif step.stage in TERMINAL and step.buried is None:
        # Nothing will be tried again, so what was asked is not kept.
        changes = {**changes, "request": None}
    if claim.queue == JUDGING:
        changes = {**changes, "judge_nano": HISTORY.c.judge_nano + step.judge_nano}
    run = _run_of(claim)
    if claim.queue in _SETTLED:
        changes = {**changes, _SETTLED[claim.queue]: run}
    done = connection.execute(
        update(HISTORY)
        .where(HISTORY.c.request_id == request_id, HISTORY.c.stage.in_(left_by(claim.queue, step.stage)))
        .values(**changes, changed_s=now)
    )
    if done.rowcount != 1:
        return _settled(connection, claim, run) or _repeated(connection, request_id, step, run)
    if step.buried is None:
        connection.execute(delete(MESSAGES).where(MESSAGES.c.key == claim.key))
    else:
        connection.execute(
            update(MESSAGES)
            .where(MESSAGES.c.key == claim.key)
            .values(dead=1, dead_s=now, token=None, reason=step.buried, publish_s=now)
        )
    _publish(connection, request_id, step.publish, now)
    return True


def _run_of(claim: Claim) -> str:
    """One name for each run: the lending, and which of the messages that were lent together."""
    return blake2s(f"{claim.token}/{claim.key}".encode(), digest_size=16).hexdigest()


def _settled(connection: Connection, claim: Claim, run: str) -> bool:
    """Whether this very result is stored already."""
    if claim.queue not in _SETTLED:
        return False
    by = select(HISTORY.c[_SETTLED[claim.queue]]).where(HISTORY.c.request_id == claim.job.request_id)
    return connection.execute(by).scalar() == run


def _repeated(connection: Connection, request_id: str, step: Step, run: str) -> bool:
    """A run whose result came too late was paid for all the same, once. Nothing of it is stored."""
    cost = step.judge_nano + (0 if step.figures is None else step.figures.cost_nano)
    if cost:
        connection.execute(
            update(HISTORY)
            .where(HISTORY.c.request_id == request_id, func.coalesce(HISTORY.c.repeated_by, "") != run)
            .values(repeated_nano=HISTORY.c.repeated_nano + cost, repeated_by=run)
        )
    return False


def _publish(
    connection: Connection,
    request_id: str,
    queues: Sequence[str],
    now: float,
    envelope: Envelope | None = None,
) -> None:
    carried = {} if envelope is None else {"envelope": envelope.sealed, "envelope_until_s": envelope.until_s}
    for queue in queues:
        key = message_key(request_id, queue)
        # A message that is there says the same: of duplicates one is left.
        if connection.execute(select(MESSAGES.c.id).where(MESSAGES.c.key == key)).first() is None:
            connection.execute(
                insert(MESSAGES).values(
                    key=key,
                    queue=queue,
                    request_id=request_id,
                    queued_s=now,
                    visible_s=now,
                    publish_s=now,
                    dead=0,
                    tries=0,
                    **carried,
                )
            )
