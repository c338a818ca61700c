"""The job workers as functions: SQS hands over a batch, the same worker runs it, and the answer names what must come again.

What a process does in the background happens here around a batch: targets are looked at before, messages published and
records delivered after it. One function more has no queue: a schedule has it publish what nobody published.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, Final, Protocol

from agents.assembly import Ports, Router, assemble
from gateway.composition.jobs import plan_jobs
from gateway.composition.jobs_store import CarriedJobs, carried_jobs, open_rows
from gateway.composition.plan import Plan
from gateway.hosts.aws_lambda import Act
from gateway.hosts.composition import Parts
from gateway.http.finished import FinishedAnswers
from gateway.http.serving import Serving
from gateway.jobs.assembly import JobsPlan, workers
from gateway.jobs.live import live
from gateway.jobs.store import JobStore, OpenJobs
from gateway.jobs.worker import Worker
from router_core.adapters.sqs.notes import Received, note_of
from router_core.adapters.system_clock import SystemClock
from router_core.deployment import JOBS, RELAY, STAGE
from router_core.errors import ConfigurationError, StoreError
from router_core.jobs.live import LiveStates

SPARE_S: Final = 3.0
"""Left of the function's time to give back what did not end, and to deliver the records."""
_KEPT: Final = 16


class Context(Protocol):
    """What Lambda says of a call."""

    def get_remaining_time_in_millis(self) -> int: ...


async def build(parts: Parts) -> Act:
    """The function of this stage. Raises `ConfigurationError` or `StoreError`."""
    queue = parts.environ.get(STAGE, "").removeprefix(f"{JOBS}-")
    clock = SystemClock()
    plan = plan_jobs(parts.settings.jobs, parts.environ, clock, parts.specs)
    if plan is None or plan.place.sns is None:
        raise ConfigurationError("settings: a function that works on jobs needs jobs.sns and the sql extra")
    # Not watching: a function is frozen between batches, and hands over at the end of each.
    rows = await open_rows(plan.place, clock)
    carried = await carried_jobs(rows, plan.place.sns, clock, watching=False)
    parts.closing(carried.open.close)
    if queue == RELAY:
        return _relaying(carried, plan)
    router, serving, states = await _answering(parts)
    if states is not None:
        carried = replace(carried, open=live(carried.open, states, clock))
    store = JobStore(_always(carried.open), wanted=lambda: True)
    made = workers(replace(plan, store=store, queues=(queue,)), serving, router)
    (worker,) = made

    async def act(event: Mapping[str, Any], context: Context) -> dict[str, Any]:
        await parts.catch_up()
        if parts.looked.due():
            await asyncio.gather(router.look(), plan.tuned.once())
        left_s = context.get_remaining_time_in_millis() / 1000.0 - SPARE_S
        try:
            failed = await worked(event, carried, worker, lent_s=plan.pace.lent_s, within_s=left_s)
            await carried.relay.once()
        finally:
            await parts.outside.flush()
        return {"batchItemFailures": [{"itemIdentifier": one} for one in failed]}

    return act


async def worked(
    event: Mapping[str, Any], carried: CarriedJobs, worker: Worker, *, lent_s: float, within_s: float
) -> list[str]:
    """Run a batch; the identifiers of messages that must come again. What came twice, or late, is done with."""
    records = event.get("Records", [])
    received = [Received(body=record["body"]) for record in records]
    try:
        claims = await carried.queue.taken(worker.queue, received, lent_s)
    except StoreError:
        return [record["messageId"] for record in records]
    failed = {claim.key for claim in await worker.serve(carried.open, claims, within_s)}
    return [record["messageId"] for record in records if _key(record) in failed]


def _key(record: Mapping[str, Any]) -> str | None:
    note = note_of(record["body"])
    return None if note is None else note.key


def _relaying(carried: CarriedJobs, plan: JobsPlan) -> Act:
    """What gateways and workers do in the background: publish, and forget what is old."""

    async def act(event: Mapping[str, Any], context: Context) -> dict[str, int]:
        published = await carried.relay.once()
        before_s = plan.clock.now_s() - plan.limits.keep_s
        await carried.open.upkeep.expire()
        return {"published": published, "forgotten": await carried.open.upkeep.forget(before_s)}

    return act


def _always(opened: OpenJobs) -> Callable[[], Awaitable[OpenJobs]]:
    async def give() -> OpenJobs:
        return opened

    return give


async def _answering(parts: Parts) -> tuple[Router, Serving, LiveStates | None]:
    """The path of a request, as in any other function."""
    built, outside = parts.adapters, parts.outside
    specs = tuple(target.spec for target in parts.targets.targets)
    stores = await parts.stores(Plan(settings=parts.settings, targets=parts.targets.targets, keys=parts.keys))
    router = assemble(
        specs,
        Ports(
            models=built.models,
            embedders=built.embedders,
            probes=built.probes,
            responses=stores.responses,
            events=outside.events(),
            policy=parts.policies,
            clock=SystemClock(),
            affinity=stores.affinity,
            shared=stores.shared,
            signals=await parts.signals(),
            guards=parts.guards,
            foresee=parts.learned.foresee,
            keeping=parts.learned.keeping,
            thinking=await parts.thinking(stores.ledger, SystemClock()),
        ),
    )
    serving = Serving(router, stores.limiter, FinishedAnswers(_KEPT), streams=False)
    return router, serving, stores.live
