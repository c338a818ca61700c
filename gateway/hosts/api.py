"""Whole requests in one function: the gateway's own paths behind API Gateway, without a server and its framework.

Who answers stands in a variable: with an express state machine named there, the stages do, and this function waits.
What differs from the gateway: answers are whole (API Gateway cannot stream, and waits 29 s), asynchronous requests run as
executions of the workflow, and nothing runs in the background, so the host looks at targets and policy before a request
and delivers the records before it answers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, MutableMapping
from typing import Any, Final

from agents.assembly import Ports, Router, assemble
from gateway.composition.keys import records
from gateway.composition.plan import Plan
from gateway.hosts.answered import WorkflowRequests
from gateway.hosts.api_gateway import Receive, Send, TooLargeAnswerError, answered
from gateway.hosts.aws_lambda import Act
from gateway.hosts.by_workflow import WorkflowAnswers
from gateway.hosts.composition import Parts
from gateway.hosts.devices import device_desk
from gateway.hosts.traced import SampledApp, trace_function, traced_stages
from gateway.http import answers
from gateway.http.auth import KeyRing
from gateway.http.dependencies import AppDependencies
from gateway.http.edge import Gateway
from gateway.http.finished import FinishedAnswers
from gateway.http.gate import gate
from gateway.http.problems import encoded, problem_of
from gateway.http.refusals import UnprocessableError
from gateway.http.serving import Serving
from router_core.adapters.system_clock import SystemClock
from router_core.errors import DeadlineError, NotFoundError

SPARE_S: Final = 0.5
"""Left of the function's time to say that the rest of it was not enough."""
_HEALTHY: Final = frozenset(("/health/liveness", "/health/liveliness", "/health/readiness"))


async def build(parts: Parts) -> Act:
    """The function. Raises `ConfigurationError`."""
    made = Plan(settings=parts.settings, targets=parts.targets.targets, keys=parts.keys)
    traces = trace_function(parts.environ, parts.adapters, tuple(target.spec for target in made.targets))
    router, app = await _application(parts, made, traces=traces)
    chosen = SampledApp(app, parts.environ, parts.closing)

    async def act(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        await parts.catch_up()
        await parts.rotate_keys()
        if parts.looked.due():
            await router.look()
        left_s = context.get_remaining_time_in_millis() / 1000.0 - SPARE_S
        try:
            async with asyncio.timeout(left_s):
                return await answered(chosen(), event)
        except TimeoutError:
            return _problem(DeadlineError((), left_s * 1000.0), event)
        except TooLargeAnswerError:
            said = "the answer is larger than this way can carry; ask the gateway service"
            return _problem(UnprocessableError(said), event)
        finally:
            await parts.outside.flush()

    return act


async def _application(parts: Parts, made: Plan, *, traces: bool) -> tuple[Router, Gateway]:
    built, outside, clock = parts.adapters, parts.outside, SystemClock()
    stores = await parts.stores(made)
    router = assemble(
        tuple(target.spec for target in made.targets),
        Ports(
            models=built.models,
            embedders=built.embedders,
            probes=built.probes,
            responses=stores.responses,
            events=outside.events(),
            policy=parts.policies,
            clock=clock,
            affinity=stores.affinity,
            shared=stores.shared,
            signals=await parts.signals(),
            guards=parts.guards,
            foresee=parts.learned.foresee,
            keeping=parts.learned.keeping,
            thinking=await parts.thinking(stores.ledger, clock),
        ),
    )
    ring = KeyRing(records(made.keys))
    parts.rotating(ring)
    dependencies = AppDependencies(
        router=traced_stages(router) if traces else router,
        keys=ring,
        limiter=stores.limiter,
        metrics=_elsewhere,
        catalogue=tuple(target.spec for target in made.targets),
        aliases=made.settings.aliases,
        decisions=outside.decisions(),
        started_s=time.time(),
        max_body_bytes=made.settings.server.max_body_bytes,
        shared=stores.shared,
        device=device_desk(parts, stores.shared),
    )
    finished = FinishedAnswers(dependencies.answers_kept)
    runner = outside.waited()
    answering = dependencies.router
    chosen = answering if runner is None else WorkflowAnswers(answering, runner, outside.blobs())
    serving = Serving(chosen, stores.limiter, finished, streams=False)
    return router, gate(dependencies, _rest, serving, WorkflowRequests(outside))


def _elsewhere() -> tuple[bytes, str]:
    raise NotFoundError("a function's metrics are in CloudWatch")


async def _rest(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    """What FastAPI answers in the gateway: here only whether the function lives."""
    if scope["path"] not in _HEALTHY:
        raise NotFoundError("there is nothing here")
    headers = [answers.JSON_TYPE]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b'{"status":"ok"}'})


def _problem(error: Exception, event: Mapping[str, Any]) -> dict[str, Any]:
    """An answer for what went wrong around the application."""
    openai = str(event.get("path") or "").startswith("/v1/")
    request_id = str((event.get("requestContext") or {}).get("requestId") or "")
    problem = problem_of(error, openai=openai)
    kind = answers.JSON_TYPE if openai else answers.PROBLEM_TYPE
    named = {name.decode(): [value.decode()] for name, value in [*problem.headers(), kind]}
    return {
        "statusCode": problem.status,
        "multiValueHeaders": named,
        "body": encoded(problem, request_id, openai=openai).decode(),
        "isBase64Encoded": False,
    }
