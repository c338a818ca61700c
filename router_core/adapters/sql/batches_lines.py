"""The lines of batches as the jobs they have become: counted, read and withdrawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, case, delete, func, select, update

from router_core.adapters.sql.database import Database
from router_core.adapters.sql.rows import job_of
from router_core.adapters.sql.sealed import Sealer
from router_core.adapters.sql.tables import HISTORY, MESSAGES
from router_core.jobs.batches import Progress
from router_core.jobs.records import Job
from router_core.jobs.stages import ANSWERING, CREATED, FAILED, GATEWAY, INFERENCE
from router_core.ports import Clock

_WAITING = (CREATED, GATEWAY)


class SqlBatchLines:
    """BatchLines over one database."""

    def __init__(self, database: Database, sealer: Sealer, clock: Clock) -> None:
        self._database, self._sealer, self._clock = database, sealer, clock

    async def progress(self, batch_id: str) -> Progress:
        """How far its lines are. An answer that waits for its judgement is an answer. Raises `StoreError`."""
        waiting, failed = HISTORY.c.stage.in_(_WAITING), HISTORY.c.stage == FAILED
        running = HISTORY.c.stage == INFERENCE
        cost = HISTORY.c.cost_nano + HISTORY.c.judge_nano + HISTORY.c.repeated_nano
        wanted = select(
            func.sum(case((waiting, 1), else_=0)).label("waiting"),
            func.sum(case((running, 1), else_=0)).label("running"),
            func.sum(case((failed, 1), else_=0)).label("failed"),
            func.count().label("all"),
            func.sum(cost).label("cost"),
            func.sum(HISTORY.c.prompt_tokens).label("prompt"),
            func.sum(HISTORY.c.completion_tokens).label("completion"),
        ).where(HISTORY.c.batch == batch_id)

        def act(connection: Connection) -> Progress:
            row = connection.execute(wanted).one()
            waits, runs, fails = int(row.waiting or 0), int(row.running or 0), int(row.failed or 0)
            return Progress(
                waiting=waits,
                running=runs,
                failed=fails,
                completed=int(row.all) - waits - runs - fails,
                cost_nano=int(row.cost or 0),
                prompt_tokens=int(row.prompt or 0),
                completion_tokens=int(row.completion or 0),
            )

        return await self._database.read(act)

    async def outstanding(self) -> int:
        """Lines of all batches that are jobs and not over. Raises `StoreError`."""
        wanted = select(func.count()).where(
            HISTORY.c.batch.is_not(None), HISTORY.c.stage.in_((*_WAITING, INFERENCE))
        )
        return await self._database.read(lambda connection: connection.execute(wanted).scalar_one())

    async def jobs(self, tenant: str, ids: Sequence[str]) -> Mapping[str, Job]:
        """Those of the tenant's jobs that are there, by id. Raises `StoreError`."""
        wanted = select(HISTORY).where(HISTORY.c.request_id.in_(ids), HISTORY.c.tenant == tenant)

        def act(connection: Connection) -> dict[str, Job]:
            rows = connection.execute(wanted).mappings()
            return {row["request_id"]: job_of(row, self._sealer) for row in rows}

        return await self._database.read(act)

    async def withdraw(self, batch_id: str, *, running: bool) -> int:
        """End lines that wait, and those that run where `running`. What a running one still brings is not stored.
        Raises `StoreError`."""
        stages = (*_WAITING, INFERENCE) if running else _WAITING
        wanted = select(HISTORY.c.request_id).where(HISTORY.c.batch == batch_id, HISTORY.c.stage.in_(stages))
        ended = {"stage": FAILED, "request": None, "changed_s": self._clock.now_s()}

        def act(connection: Connection) -> int:
            ids = [row.request_id for row in connection.execute(wanted.with_for_update())]
            connection.execute(update(HISTORY).where(HISTORY.c.request_id.in_(ids)).values(**ended))
            mine = MESSAGES.c.request_id.in_(ids) & (MESSAGES.c.queue == ANSWERING)
            connection.execute(delete(MESSAGES).where(mine))
            return len(ids)

        return await self._database.write(act)
