"""`tierwise explain --deliberate`: the fast decision, and the one that a model's advice makes of it, side by side.

Decides in this process, with all targets taken to be up and idle. With `--sandbox`, and nothing configured to ask, the local
stand-in for Bedrock is started and asked: its answer shows the way, not a model's judgement.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from agents.context import ContextAgent
from agents.weighing import Weighing
from gateway.cli.output import print_table
from gateway.cli.request import body_of
from gateway.composition_deliberation import Closers, open_deliberation
from gateway.composition_plan import Plan, plan
from gateway.composition_policy import rollout_now
from gateway.composition_sandbox import NOT_STARTED, Access
from gateway.http.answers import routing
from gateway.http.intake import inference_request
from gateway.http.wire.decoding import BodyDecoder
from gateway.http.wire.inference import InferenceBody
from gateway.settings.loading import load
from gateway.settings.schema import Settings
from gateway.settings.secrets import Secret
from router_core.adapters.system_clock import SystemClock
from router_core.errors import ConfigurationError
from router_core.execution import Served
from router_core.inference import Caller
from router_core.resources import ResourceState, Target, TargetState
from router_core.routing.decide import decide
from router_core.routing.table import compile_table

WITHIN_S: Final = 20.0
"""A person waits longer than a request does; loading the SDKs alone takes seconds."""


def explain_twice(options: argparse.Namespace) -> dict[str, Any]:
    """Both answers, `{"fast": ..., "deliberated": ...}`. Raises `TierwiseError`s."""
    settings = load(options.config, os.environ)
    with _bedrock(settings, sandbox=options.sandbox) as access:
        made = plan(settings, os.environ, sandbox=options.sandbox, access=access)
        weighing = _weighing(options, made)
        return asyncio.run(_both(made, weighing))


def show_twice(answer: dict[str, Any]) -> None:
    """Both answers for a person."""
    fast, thought = answer["fast"]["routing"], answer["deliberated"]["routing"]
    rows = [
        (name, str(fast[name]), str(thought[name]))
        for name in ("target", "decided_by", "confidence", "risk", "class", "reason")
    ]
    print_table(("", "fast", "deliberated"), rows)
    for one in answer["deliberated"]["model_answers"]:
        said = ", ".join(f"{name} {word}" for name, word in one["answer"].items())
        print(f"{one['model']} ({one['prompt']}): {said}; {one['latency_ms']:.0f} ms, ${one['cost_usd']:.6f}")
    if not answer["deliberated"]["model_answers"]:
        print(f"no model's answer: {', '.join(answer['deliberated']['outcomes']) or 'nothing to choose'}")


async def _both(made: Plan, weighing: Weighing) -> dict[str, Any]:
    closers: Closers = []
    thinking = open_deliberation(made, os.environ, None, SystemClock(), closers)
    if thinking is None:
        raise ConfigurationError(
            "nobody to ask: set deliberation.region (and AWS credentials), or use --sandbox"
        )
    try:
        thought = await thinking.consider(weighing, WITHIN_S)
        outcomes = [word for _, word in thinking.numbers().outcomes]
    finally:
        for close in reversed(closers):
            await close()
    return {
        "fast": _answer(weighing),
        "deliberated": {
            **_answer(thought),
            "model_answers": [one.as_record() for one in thought.decision.advice],
            "outcomes": outcomes,
        },
    }


def _weighing(options: argparse.Namespace, made: Plan) -> Weighing:
    policy = rollout_now(made.settings.policy).stable
    body = BodyDecoder(InferenceBody).decode(json.dumps(body_of(options)).encode())
    caller = Caller(tenant="local", key_id="cli", role="admin")
    request = inference_request(body, caller, "explain", cache_allowed=False)
    up = tuple(Target(spec=target.spec, state=TargetState(health="up")) for target in made.targets)
    context = ContextAgent().read(request, policy)
    table = compile_table(ResourceState.of(up), policy)
    decision = decide(context, table)
    return Weighing(request=request, context=context, decision=decision, table=table, inflight=())


def _answer(weighing: Weighing) -> dict[str, Any]:
    decision = weighing.decision
    served = Served(
        target=decision.target, tier=decision.tier, model=decision.model, emulated=decision.emulated
    )
    return {
        "request_id": None,
        "status": "completed",
        "output": None,
        "routing": json.loads(json.dumps(routing(decision, served), default=dict)),
        "attempts": [],
        "features": weighing.context.features(),
    }


@contextmanager
def _bedrock(settings: Settings, *, sandbox: bool) -> Iterator[Access]:
    """The stand-in for Bedrock, while it is needed."""
    asked = settings.deliberation
    if not sandbox or asked.region is not None or asked.endpoint_url is not None:
        yield NOT_STARTED
        return
    from gateway.sandbox.processes import start_standins

    started = start_standins(mec_nodes=0, pace=0.0)
    try:
        yield Access(
            mec_url=NOT_STARTED.mec_url,
            bedrock_url=started.bedrock_url,
            access_key_id=started.access_key_id,
            secret_access_key=Secret(started.secret_access_key, "sandbox"),
        )
    finally:
        started.stop()
