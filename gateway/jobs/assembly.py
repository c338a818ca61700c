"""Puts the job workers of a process together from what the composition root opened."""

from __future__ import annotations

from agents.judge.agent import JudgeAgent
from gateway.http.ports import Router
from gateway.http.serving import Serving
from gateway.jobs.answering import Answering
from gateway.jobs.durable import DurableJobs
from gateway.jobs.judging import Judging
from gateway.jobs.store import JobStore
from gateway.jobs.worker import Handler, Pace, Worker
from router_core.jobs.stages import ANSWERING, JUDGING, QUEUES
from router_core.ports import Clock
from router_core.record import dataclass
from router_core.resources import TargetSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsPlan:
    """The store, and how this process works on it. `pace.running` 0: others do the work. `specs` are all
    targets, `judges` the names of those that judge, best first; none means any."""

    store: JobStore
    clock: Clock
    pace: Pace = Pace()
    queues: tuple[str, ...] = QUEUES
    max_waiting: int = 100_000
    keep_s: float = 7 * 86_400.0
    specs: tuple[TargetSpec, ...] = ()
    judges: tuple[str, ...] = ()


def durable_jobs(plan: JobsPlan, serving: Serving, router: Router) -> DurableJobs:
    """Accepting and, where this process works, running."""
    return DurableJobs(
        plan.store,
        workers(plan, serving, router),
        plan.clock,
        max_waiting=plan.max_waiting,
        keep_s=plan.keep_s,
    )


def workers(plan: JobsPlan, serving: Serving, router: Router) -> tuple[Worker, ...]:
    """A loop for each queue; none where others work."""
    if plan.pace.running == 0:
        return ()
    judging = Judging(JudgeAgent(router.answer, plan.specs, plan.judges), router)
    handlers: dict[str, Handler] = {ANSWERING: Answering(serving, judging.wanted), JUDGING: judging}
    return tuple(
        Worker(queue, handler, plan.store, plan.clock, plan.pace)
        for queue, handler in handlers.items()
        if queue in plan.queues
    )
