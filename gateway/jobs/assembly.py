"""Puts the job workers of a process together from what the composition root opened."""

from __future__ import annotations

from dataclasses import field, replace

from agents.judge.agent import JudgeAgent
from gateway.batches.assembly import BatchesPlan, batch_driver, placing
from gateway.batches.driver import BatchDriver
from gateway.http.ports import Router
from gateway.http.serving import Serving
from gateway.jobs.announcing import Announcing
from gateway.jobs.answering import Answering, OpenKey
from gateway.jobs.durable import DurableJobs, Limits
from gateway.jobs.judging import Judging
from gateway.jobs.place import JobPlace
from gateway.jobs.store import JobStore
from gateway.jobs.tuning import Tuned
from gateway.jobs.worker import Handler, Pace, Worker
from gateway.webhooks.rules import WebhookRules
from gateway.webhooks.sender import TIMEOUT_S, WebhookSender
from router_core.jobs.records import Claim
from router_core.jobs.stages import ANSWERING, JUDGING, QUEUES, WEBHOOKS
from router_core.jobs.tries import Tries
from router_core.jobs.tuning import Tuning
from router_core.own_key import OwnKey
from router_core.ports import Clock
from router_core.record import dataclass
from router_core.resources import TargetSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsPlan:
    """The store, and how this process works on it. `pace.running` 0: others do the work. `specs` are all
    targets, `judges` the names of those that judge, best first; none means any."""

    store: JobStore
    clock: Clock
    place: JobPlace = JobPlace()
    pace: Pace = Pace()
    queues: tuple[str, ...] = QUEUES
    limits: Limits = Limits()
    specs: tuple[TargetSpec, ...] = ()
    judges: tuple[str, ...] = ()
    webhooks: WebhookRules = WebhookRules(secrets={})
    webhook_tries: Tries = Tries(most=8, first_s=5.0, longest_s=3600.0)
    tuned: Tuned = field(default_factory=Tuned)
    batches: BatchesPlan = field(default_factory=BatchesPlan)


def durable_jobs(plan: JobsPlan, serving: Serving, router: Router) -> DurableJobs:
    """Accepting and, where this process works, running."""
    crew = workers(plan, serving, router)
    jobs = DurableJobs(
        plan.store,
        (*crew, _driver(plan, router, crew), plan.tuned),
        plan.clock,
        plan.webhooks,
        plan.limits,
        lambda: plan.tuned.judging(router.rollout().stable.judging),
    )
    plan.tuned.heard(lambda now: jobs.limit(now.max_waiting or plan.limits.max_waiting))
    jobs.sampling.heed(lambda: {view.name: view.doubt for view in router.targets()})
    serving.answered = jobs.sampling.offer
    return jobs


def workers(plan: JobsPlan, serving: Serving, router: Router) -> tuple[Worker, ...]:
    """A loop for each queue; none where others work."""
    if plan.pace.running == 0:
        return ()
    judge = JudgeAgent(router.answer, plan.specs, plan.judges)
    judging = Judging(judge, router, lambda: plan.tuned.judging(router.rollout().stable.judging))
    sender = WebhookSender(plan.clock, plan.webhooks.opened)
    handlers: dict[str, Handler] = {
        ANSWERING: Answering(
            serving,
            judging.wanted,
            placing(plan.batches, router, plan.specs, plan.clock).answer,
            _keys(plan.store),
        ),
        JUDGING: judging,
        WEBHOOKS: Announcing(plan.webhooks, sender),
    }
    crew = tuple(
        Worker(queue, handler, plan.store, plan.clock, _pace(plan, queue))
        for queue, handler in handlers.items()
        if queue in plan.queues
    )
    plan.tuned.heard(lambda now: _tune(plan, judge, crew, now))
    return crew


def _driver(plan: JobsPlan, router: Router, crew: tuple[Worker, ...]) -> BatchDriver:
    """What moves batches on, also where others answer their lines: a function that answers has no time of its own."""
    driver = batch_driver(plan.batches, plan.store, router, plan.specs, plan.clock)

    def woken() -> None:
        for worker in crew:
            worker.wake()

    driver.woken = woken
    return driver


def _tune(plan: JobsPlan, judge: JudgeAgent, crew: tuple[Worker, ...], now: Tuning) -> None:
    judge.prefer(plan.judges if now.judges is None else now.judges)
    for worker in crew:
        worker.resize(now.running or plan.pace.running)


def _keys(store: JobStore) -> OpenKey:
    async def opened(claim: Claim, target: str | None) -> OwnKey | None:
        envelopes = (await store.opened()).envelopes
        return None if envelopes is None else envelopes.opened(claim, target)

    return opened


def _pace(plan: JobsPlan, queue: str) -> Pace:
    """Receivers are away for longer than models: eight tries in about ten minutes."""
    if queue != WEBHOOKS:
        return plan.pace
    return replace(plan.pace, lent_s=max(plan.pace.lent_s, 2 * TIMEOUT_S), tries=plan.webhook_tries)
