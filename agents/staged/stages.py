"""The stages of `router_core.stages` as steps that may run on different machines, each from the agents of the pipeline.

A stage takes one JSON payload, adds its own key and gives the payload on; nothing else travels. A value is
either there or, when large, `{"by_reference": key, ...}` (`agents/staged/parcel.py`).

    request    written by whoever starts the workflow: the validated request with the caller that authentication found
    context    {features, policy: {sha256, document}, started_s, read_s}, and `messages` where services outside put the
               request's in other words: the stages after it serve those
    resources  {state, inflight, seen_s}: `router` decides on exactly this state and on the policy in `context`
    decision   the fields of `RoutingDecision`, and decided_s; `features` where a model saw the request otherwise than `context`
    lookup     {hit, cache, key, output, usage}; `hit` is true when there is nothing to execute: a stored answer, or a plan
               that the caller's device runs for itself
    execution  the fields of `Execution`
    answer     {status, ...}: what the caller is told; `status` is completed | execute_on_device | failed
    waiting    true where somebody waits for the run: `answer` is then {status, response} or {status, raised}, the fields of
               `InferenceResponse` or of the error, for a host that tells the caller itself
    caught     {Error, Cause} as Step Functions writes it, where a stage failed; the host reads from it what the stage said

Seconds are wall time, because machines share no other clock; all stages and legs count one deadline from `started_s`.

What the state machine does (every stage is one Task; its output replaces the whole state):
- Order: `STAGES`. After `cache` a Choice on `$.lookup.hit`: true goes to `monitor` and passes the stages over that are
  `skipped_on_hit`.
- Retry, on every Task, only what never reached our code, and storage: `Lambda.ServiceException`,
  `Lambda.AWSLambdaException`, `Lambda.SdkClientException`, `Lambda.TooManyRequestsException`, `StoreError`; `retries`
  times with back-off. Never `States.ALL`, `States.TaskFailed` or `States.Timeout`: a tier would be asked twice.
- Catch on a stage that `falls_back` (execute): `TargetFailedError`, ResultPath `$.caught`, Next the same stage: one run
  is one leg, one attempt at one target, and the failed attempts travel in `$.caught.Cause`. The next leg asks the next
  target of the decision, or the same one again where its failure may pass, in the order of the one-process path, and
  says `AllTargetsFailedError` or `DeadlineError` itself when nothing is left: the state machine need not count.
- Catch on every stage but the last, after that: `States.ALL`, ResultPath `$.caught`, Next `monitor`, which records the
  failure and answers with its problem (`NoPermittedTargetError`, `NoCapacityError`, `AllTargetsFailedError`,
  `DeadlineError`, or an internal error).
- After `monitor` a Choice on `$.answer.status`: `failed` goes to a Fail state, all else succeeds. A machine that is waited
  for has no such Choice: its output is `$.answer`, good or bad, because a failed run has none.
- The state holds what callers wrote: log without execution data, encrypt, and keep `TimeoutSeconds` from the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from agents.attempts import Job, Ledger
from agents.router import RouterAgent
from agents.staged.carried import (
    Payload,
    Snapshots,
    TargetFailedError,
    attempts_of,
    carry_policy,
    context_of,
    inflight_of,
    notes_of,
    request_of,
    served_of,
    tried_of,
    turn_of,
)
from agents.turn import Turn
from agents.weighing import Deliberating, Weighing
from router_core.errors import (
    AllTargetsFailedError,
    DeadlineError,
    GuardBlockedError,
    GuardUnavailableError,
    NoTargetError,
    TierwiseError,
)
from router_core.execution import Execution, Output, Usage
from router_core.inference import InferenceResponse
from router_core.payload import error_from_json, from_json, to_json
from router_core.policy.rollout import place
from router_core.resources import TargetSpec

if TYPE_CHECKING:  # a function loads only the agents of its own stage
    from agents.cache import CacheAgent
    from agents.executor import Executor
    from agents.guarding.release import Release
    from agents.resource import ResourceAgent
    from agents.safety import SafetyAgent
    from agents.steps import Ending, Reading
    from router_core.ports import Clock, PolicySource


class Stage(Protocol):
    """Payload in, the value of the stage's own key out, JSON-ready."""

    async def __call__(self, payload: Payload) -> dict[str, Any]: ...


class ContextStage:
    """Reads the request, under the policy of its session."""

    def __init__(self, reading: Reading, policies: PolicySource, clock: Clock) -> None:
        self._reading, self._policies, self._now = reading, policies, clock.now_s

    async def __call__(self, payload: Payload) -> dict[str, Any]:
        started, request = self._now(), request_of(payload)
        caller = request.caller
        fraction = place(caller.tenant, request.session_id, request.user, request.request_id)
        policy = self._policies.rollout().policy_for(fraction)
        served, context = await self._reading.read(request, policy)
        changed = {} if served is request else {"messages": [dict(message) for message in served.messages]}
        return {
            "features": context.features(),
            "policy": carry_policy(policy),
            "started_s": started,
            "read_s": self._now(),
            **changed,
        }


class ResourceStage:
    """Takes the snapshot. The host refreshes it before, where it is too old to count."""

    def __init__(self, resource: ResourceAgent, clock: Clock) -> None:
        self._resource, self._now = resource, clock.now_s

    async def __call__(self, payload: Payload) -> dict[str, Any]:
        table, inflight = self._resource.view(self._resource.rollout.stable)
        return {
            "state": table.state.as_record(),
            "inflight": [list(pair) for pair in inflight],
            "seen_s": self._now(),
        }


class RouterStage:
    """Decides, from nothing but what the stages before saw, and thinks twice where the policy says so. Raises `NoTargetError`."""

    def __init__(self, snapshots: Snapshots, clock: Clock, thinking: Deliberating | None = None) -> None:
        self._router, self._snapshots, self._now = RouterAgent(), snapshots, clock.now_s
        self._thinking = thinking

    async def __call__(self, payload: Payload) -> dict[str, Any]:
        context, inflight = context_of(payload), inflight_of(payload)
        table = self._snapshots.table(payload["context"], payload["resources"])
        decision, seen = self._router.route(context, table, inflight), context
        if table.thinks and self._thinking is not None:
            weighing = Weighing(
                request=served_of(payload),
                context=context,
                decision=decision,
                table=table,
                inflight=inflight,
            )
            weighing = await self._thinking.weigh(weighing, payload["context"]["started_s"])
            decision, seen = weighing.decision, weighing.context
        changed = {} if seen == context else {"features": seen.features()}
        return {**to_json(decision), "decided_s": self._now(), **changed}


class CacheStage:
    """Looks for an answer given before, and for a device that executes by itself."""

    def __init__(self, cache: CacheAgent, snapshots: Snapshots) -> None:
        self._cache, self._snapshots = cache, snapshots

    async def __call__(self, payload: Payload) -> dict[str, Any]:
        turn = turn_of(payload, self._snapshots)
        if turn.on_device:
            return {"hit": True, "cache": "bypass", "key": None, "plan": True}
        key = self._cache.key(turn.request, turn.context, turn.decision, turn.table.policy.cache)
        found = None if key is None else await self._cache.lookup(key)
        if found is None:
            return {"hit": False, "cache": "bypass" if key is None else "miss", "key": key}
        output, usage = found
        return {"hit": True, "cache": "hit", "key": key, "output": to_json(output), "usage": to_json(usage)}


class ExecuteStage:
    """One leg: one attempt at the next target. Raises `TargetFailedError` where another leg may follow,
    `AllTargetsFailedError` or `DeadlineError` where none may."""

    def __init__(self, executor: Executor, snapshots: Snapshots, clock: Clock) -> None:
        self._executor, self._snapshots, self._now = executor, snapshots, clock.now_s

    async def __call__(self, payload: Payload) -> dict[str, Any]:
        turn, notes = turn_of(payload, self._snapshots), _notes(payload)
        job = _job(turn, payload, notes, self._now())
        tries = self._executor.tries(job, None if notes is None else tried_of(notes))
        execution = await self._executor.leg(job, tries)
        if execution is None:
            raise TargetFailedError(notes_of(tries.tried, job.ledger.attempts, job.executing_s))
        return to_json(execution)


class MonitorStage:
    """Records what came of the request and gives its response, or the error that ended it, which it raises."""

    def __init__(self, ending: Ending, snapshots: Snapshots, safety: SafetyAgent) -> None:
        self._ending, self._snapshots, self._safety = ending, snapshots, safety

    async def __call__(self, payload: Payload) -> InferenceResponse:
        if "decision" not in payload:
            raise self._undecided(payload)
        turn, lookup = turn_of(payload, self._snapshots), payload.get("lookup") or {}
        self._ending.decided(turn)
        if lookup.get("plan"):
            return self._ending.planned(turn)
        if not ("execution" in payload or lookup.get("hit")):
            raise self._unanswered(turn, payload)
        release = self._safety.release(request_of(payload), turn)
        try:
            return release.restored(await self._answered(turn, payload, release))
        except (GuardBlockedError, GuardUnavailableError) as error:
            self._ending.failed(_spent(turn, payload), error)
            raise

    async def _answered(self, turn: Turn, payload: Payload, release: Release) -> InferenceResponse:
        """The answer of a target or of the cache, judged like any on its way out."""
        lookup = payload.get("lookup") or {}
        if "execution" in payload:
            execution = await release.executed(from_json(Execution, payload["execution"]))
            return await self._ending.completed(turn, execution, lookup["key"])
        output, usage = from_json(Output, lookup["output"]), from_json(Usage, lookup["usage"])
        return self._ending.reused(turn, await release.whole(output), usage)

    def _undecided(self, payload: Payload) -> TierwiseError:
        error = error_from_json(payload.get("caught") or {})
        if isinstance(error, NoTargetError):
            self._ending.refused(request_of(payload), error)
        if isinstance(error, GuardBlockedError | GuardUnavailableError):
            self._ending.blocked(request_of(payload), error)
        return error

    def _unanswered(self, turn: Turn, payload: Payload) -> TierwiseError:
        error = error_from_json(payload.get("caught") or {})
        job = _job(turn, payload, None, turn.marks_s[-1])
        if isinstance(error, AllTargetsFailedError | DeadlineError):
            job.ledger.attempts.extend(error.attempts)
        self._ending.failed(job, error)
        return error


def _spent(turn: Turn, payload: Payload) -> Job:
    """What was asked for an answer that may not go out: it is billed all the same."""
    job = _job(turn, payload, None, turn.marks_s[-1])
    if "execution" in payload:
        job.ledger.attempts.extend(from_json(Execution, payload["execution"]).attempts)
    return job


def _notes(payload: Payload) -> Mapping[str, Any] | None:
    """What the leg before left, None in the first."""
    caught = payload.get("caught")
    return None if caught is None else caught["notes"]


def _job(turn: Turn, payload: Payload, notes: Mapping[str, Any] | None, now: float) -> Job:
    specs: dict[str, TargetSpec] = {target.spec.name: target.spec for target in turn.table.targets}
    lookup = payload.get("lookup") or {}
    return turn.job(
        specs,
        now if notes is None else notes["executing_s"],
        cache=lookup.get("cache", "bypass"),
        ledger=None if notes is None else Ledger(attempts=attempts_of(notes)),
    )
