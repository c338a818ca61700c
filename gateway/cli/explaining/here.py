"""One decision in this process: for the targets of a plan, all taken to be up and idle."""

from __future__ import annotations

import argparse
import json
from typing import Any

from agents.context import ContextAgent
from agents.guarding.rules import screened_here
from agents.weighing import Weighing
from gateway.cli.request import body_of
from gateway.composition.plan import Plan
from gateway.composition.policy import rollout_now
from gateway.http.answers import routing
from gateway.http.intake import inference_request
from gateway.http.wire.decoding import BodyDecoder
from gateway.http.wire.inference import InferenceBody
from router_core.adapters.scorer_weights import foresee
from router_core.execution import Served
from router_core.inference import Caller
from router_core.resources import ResourceState, Target, TargetState
from router_core.routing.decide import decide
from router_core.routing.table import compile_table


def decided(options: argparse.Namespace, made: Plan) -> Weighing:
    """The typed request and its fast decision. Raises `RequestError` or `NoTargetError`."""
    policy = rollout_now(made.settings.policy).stable
    body = BodyDecoder(InferenceBody).decode(json.dumps(body_of(options)).encode())
    caller = Caller(tenant="local", key_id="cli", role="admin")
    request = inference_request(body, caller, "explain", cache_allowed=False)
    up = tuple(Target(spec=target.spec, state=TargetState(health="up")) for target in made.targets)
    context = screened_here(ContextAgent(foresee).read(request, policy), policy.guard)
    table = compile_table(ResourceState.of(up), policy)
    return Weighing(
        request=request, context=context, decision=decide(context, table), table=table, inflight=()
    )


def as_answer(weighing: Weighing) -> dict[str, Any]:
    """The decision in the form of an answer."""
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
