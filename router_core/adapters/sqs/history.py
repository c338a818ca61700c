"""Job history whose messages leave by an outbox: what was stored is told to whoever hands it over, at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from router_core.adapters.sql.history import SqlJobHistory
from router_core.adapters.sqs.queue import SqsJobQueue
from router_core.jobs.records import Claim, Envelope, Job, Step
from router_core.jobs.stages import ANSWERING


class SqsJobHistory:
    """JobHistory over SQL. `stored` is called when there is something to hand over."""

    def __init__(self, rows: SqlJobHistory, queue: SqsJobQueue, stored: Callable[[], None]) -> None:
        self._rows, self._queue, self._stored = rows, queue, stored

    async def create(
        self, job: Job, queues: Sequence[str] = (ANSWERING,), envelope: Envelope | None = None
    ) -> bool:
        """Store a new job with its messages. Raises `StoreError`."""
        created = await self._rows.create(job, queues, envelope)
        if created and queues:
            self._stored()
        return created

    async def advance(self, claim: Claim, step: Step) -> bool:
        """Store a step; its note in SQS is done with, whoever was faster. Raises `StoreError`."""
        won = await self._rows.advance(claim, step)
        await self._queue.settle(claim)
        if won and (step.publish or step.buried is not None):
            self._stored()
        return won

    async def find(self, tenant: str, request_id: str) -> Job | None:
        """The tenant's job. Raises `StoreError`."""
        return await self._rows.find(tenant, request_id)
