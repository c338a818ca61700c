"""The job store whose messages SNS and SQS carry, as a subject of the contract: the relay runs when a test looks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.jobs.relay import Relay
from router_core.adapters.aws.client import AwsThreads
from router_core.adapters.sql.outbox import SqlOutbox
from router_core.adapters.sqs.history import SqsJobHistory
from router_core.adapters.sqs.letters import SqsLetters
from router_core.adapters.sqs.queue import LONGER_S, SqsJobQueue
from router_core.jobs.records import Claim, Envelope, Job, Parcel, Step
from router_core.jobs.stages import ANSWERING
from tests.contract.sqs.site import Topics


class Carried:
    """All parts over SQL and SQS. As a `JobQueue` and a `JobHistory`, it hands over what was stored before it goes on."""

    def __init__(self, rows: Any, topics: Topics) -> None:
        self.rows, self.topics, self.threads = rows, topics, AwsThreads(workers=4)
        carrier, self.outbox = topics.carrier(), SqlOutbox(rows.database, rows.clock)
        self.sqs = SqsJobQueue(carrier, rows.queue, self.threads, wait_s=0)
        self.history = SqsJobHistory(rows.history, self.sqs, lambda: None)
        self.letters = _Letters(self, SqsLetters(carrier, rows.letters, self.outbox, self.threads))

        async def publish(parcels: Sequence[Parcel]) -> list[Parcel]:
            return await self.threads.run(carrier.publish, parcels)

        self.relay = Relay(self.outbox, publish)
        rows.clock.passed = lambda seconds: topics.pass_time(seconds + LONGER_S)

    async def claim(self, queue: str, most: int, lent_s: float) -> tuple[Claim, ...]:
        await self.relay.once()
        return await self.sqs.claim(queue, most, lent_s)

    async def extend(self, claim: Claim, lent_s: float) -> bool:
        return await self.sqs.extend(claim, lent_s)

    async def release(self, claim: Claim, delay_s: float, reason: str, *, counted: bool = True) -> bool:
        return await self.sqs.release(claim, delay_s, reason, counted=counted)

    async def create(
        self, job: Job, queues: Sequence[str] = (ANSWERING,), envelope: Envelope | None = None
    ) -> bool:
        created = await self.history.create(job, queues, envelope)
        await self.relay.once()
        return created

    async def advance(self, claim: Claim, step: Step) -> bool:
        won = await self.history.advance(claim, step)
        await self.relay.once()
        return won

    async def find(self, tenant: str, request_id: str) -> Job | None:
        return await self.history.find(tenant, request_id)

    async def close(self) -> None:
        self.sqs.close()
        await self.threads.close()
        self.topics.close()


class _Letters:
    """The operator's commands, each followed by what a relay does."""

    def __init__(self, carried: Carried, letters: SqsLetters) -> None:
        self._carried, self.real = carried, letters

    async def peek(self, queue: str | None, state: str | None, most: int) -> Any:
        return await self.real.peek(queue, state, most)

    async def redrive(self, queue: str | None, request_id: str | None) -> int:
        count = await self.real.redrive(queue, request_id)
        await self._carried.relay.once()
        return count

    async def purge(self, queue: str | None, request_id: str | None) -> int:
        return await self.real.purge(queue, request_id)
