"""What the agents on AgentCore are made of: the Lambda hosts' parts, and what a process that lives on may have besides.

Records go where the settings say (Kinesis, DynamoDB); there is no event log on a disk, so a simulation finds what a
folder that is mounted holds, and says so when that is nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from agents.assembly import Ports, Router, assemble
from agents.context import ContextAgent
from agents.deliberation.background import Background, Eyes, Steps
from agents.deliberation.deliberator import Deliberator
from agents.deliberation.tools import tools
from agents.proposals.desk import ProposalDesk
from agents.proposals.figures import Lately
from agents.proposals.permitted import Wish
from agents.weighing import Weighing
from gateway.cli.explaining.here import as_answer
from gateway.composition.deliberation import Closers, open_deliberation
from gateway.composition.keys import records
from gateway.composition.plan import Plan, PlannedKey
from gateway.composition.policy import watch_policy
from gateway.composition.proposing.proposals import open_proposals
from gateway.hosts.composition import Parts
from gateway.http.auth import KeyRing
from gateway.http.dependencies import AppDependencies
from gateway.http.edge import Gateway
from gateway.http.finished import FinishedAnswers
from gateway.http.gate import gate
from gateway.http.intake import inference_request
from gateway.http.refusals import UnprocessableError
from gateway.http.serving import Serving
from gateway.http.wire.decoding import BodyDecoder
from gateway.http.wire.inference import InferenceBody
from gateway.settings.schema import KeySettings
from gateway.settings.secrets import Secret
from router_core.adapters.scorer_weights import foresee
from router_core.adapters.system_clock import SystemClock
from router_core.errors import ConflictError, NotFoundError, RequestError
from router_core.inference import Caller, InferenceRequest
from router_core.record import dataclass
from router_core.resources import ResourceState, Target, TargetSpec, TargetState
from router_core.routing.decide import decide
from router_core.routing.table import compile_table

OWN: Final = "agentcore"
"""The key of the settings whose tenant, tiers and limits hold here, and the tenant where there is none."""
WITHIN_S: Final = 20.0
_DECODER: Final = BodyDecoder(InferenceBody, once=("messages", "input"))


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentParts:
    """`app` is the gate, `key` opens it; `thinking` None: no model can be asked."""

    app: Gateway
    key: str
    router: Router
    caller: Caller
    specs: tuple[TargetSpec, ...]
    desk: ProposalDesk
    lately: Lately
    thinking: Deliberator | None
    closers: tuple[Callable[[], Awaitable[None]], ...]

    async def deliberate(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The fast decision beside the one that a model's advice makes of it; nothing is executed."""
        request = inference_request(
            _DECODER.decode(json.dumps(body).encode()), self.caller, "explain", cache_allowed=False
        )
        policy = self.router.rollout().stable
        up = {view.name: view.health == "up" for view in self.router.targets()}
        seen = tuple(
            Target(spec=spec, state=TargetState(health="up" if up[spec.name] else "unknown"))
            for spec in self.specs
        )
        context = ContextAgent(foresee).read(request, policy)
        table = compile_table(ResourceState.of(seen), policy)
        fast = Weighing(
            request=request, context=context, decision=decide(context, table), table=table, inflight=()
        )
        thought = await self._thinking().consider(fast, WITHIN_S)
        told = [one.as_record() for one in thought.decision.advice]
        return {"fast": as_answer(fast), "deliberated": {**as_answer(thought), "model_answers": told}}

    async def propose(self, changes: Any, why: Any) -> dict[str, Any]:
        """Store a change for a person. Raises `RequestError`."""
        if not isinstance(why, str) or not isinstance(changes, list):
            raise RequestError("a proposal holds changes, a list, and why, a text")
        proposal = await self.desk.propose(tuple(_wish(one) for one in changes), why, OWN)
        return proposal.as_document()

    async def look(self, why: str) -> dict[str, Any]:
        """A round of the agents, now. Raises `RequestError` or `StoreError`."""
        specs = {spec.name: spec for spec in self.specs}
        eyes = Eyes(lately=self.lately, tools=tools(self.router, specs), names=tuple(sorted(specs)))
        background = Background(Steps(self._thinking().asker, self.desk, eyes), self.desk, self.lately)
        if not await self.desk.book.lead():
            raise ConflictError("somebody else looks at the policy now")
        try:
            now = await background.look(why)
        finally:
            await self.desk.book.done()
        proposal = None if now.proposal is None else now.proposal.as_document()
        return {"round": now.id, "ended": now.ended, "steps": now.steps, "proposal": proposal}

    async def close(self) -> None:
        """End what runs in the background, then what it used."""
        await self.router.close()
        for close in reversed(self.closers):
            await close()

    def _thinking(self) -> Deliberator:
        if self.thinking is None:
            raise NotFoundError("no model can be asked here: set deliberation.region")
        return self.thinking


async def build(environ: Mapping[str, str]) -> AgentParts:
    """Everything, targets looked at once. Raises `ConfigurationError`."""
    parts, clock = Parts(environ), SystemClock()
    owner, secret = _owner(parts), secrets.token_urlsafe(32)
    key = PlannedKey(settings=owner, secret=Secret(secret, "generated"))
    made = Plan(settings=parts.settings, targets=parts.targets.targets, keys=(key,))
    stores = await parts.stores(made)
    closers: Closers = [parts.close]
    thinking = open_deliberation(made, environ, stores.ledger, clock, closers)
    proposing = await open_proposals(
        parts.settings, stores.shared, parts.outside.events(), parts.policies.rollout, clock, closers
    )
    specs = tuple(target.spec for target in made.targets)
    router = assemble(
        specs,
        Ports(
            models=parts.adapters.models,
            embedders=parts.adapters.embedders,
            probes=parts.adapters.probes,
            responses=stores.responses,
            events=proposing.events,
            policy=parts.policies,
            clock=clock,
            affinity=stores.affinity,
            shared=stores.shared,
            signals=await parts.signals(),
            thinking=thinking,
            foresee=foresee,
        ),
    )
    await router.start()
    watching = asyncio.create_task(watch_policy(parts.source, parts.settings.policy, proposing.events))
    closers += [parts.outside.flush, lambda: _ended(watching)]
    ring = KeyRing(records(made.keys))
    return AgentParts(
        app=_gate(made, router, ring, stores.limiter),
        key=secret,
        router=router,
        caller=ring.caller(b"Bearer " + secret.encode()),
        specs=specs,
        desk=proposing.desk,
        lately=proposing.lately,
        thinking=thinking,
        closers=tuple(closers),
    )


def _gate(made: Plan, router: Router, ring: KeyRing, limiter: Any) -> Gateway:
    dependencies = AppDependencies(
        router=router,
        keys=ring,
        limiter=limiter,
        metrics=_elsewhere,
        catalogue=tuple(target.spec for target in made.targets),
        aliases=made.settings.aliases,
        started_s=time.time(),
    )
    serving = Serving(router, limiter, FinishedAnswers(dependencies.answers_kept))
    return gate(dependencies, _nothing, serving, _Nobody())


def _owner(parts: Parts) -> KeySettings:
    return next(
        (key for key in parts.settings.keys if key.id == OWN), KeySettings(id=OWN, tenant=OWN, role="user")
    )


def _wish(told: Any) -> Wish:
    fits = isinstance(told, dict) and told.keys() == {"key", "value"} and isinstance(told["key"], str)
    if not fits or isinstance(told["value"], bool) or not isinstance(told["value"], int | float):
        raise RequestError("a change holds key, a text, and value, a number", field="$.changes")
    return Wish(key=told["key"], value=float(told["value"]))


def _elsewhere() -> tuple[bytes, str]:
    raise NotFoundError("AgentCore's own metrics are in CloudWatch")


async def _nothing(*_: Any) -> None:
    raise NotFoundError("there is nothing here")


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


class _Nobody:
    """`Accepted`: a session may end before a request that nobody waits for."""

    async def submit(self, request: InferenceRequest, size: int) -> None:
        raise UnprocessableError("requests are not taken asynchronously here", field="$.mode")

    async def found(self, tenant: str, request_id: str) -> None:
        return None
