"""Requests, targets and answers with a known truth: three tiers whose real quality, cost and speed differ from what the
router believes of them, as they do in life.

The router sees contexts and a snapshot, decides with the product's own `decide()`, and what comes of it is drawn from the
truth. Records have the product's own form.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from router_core.context import RequestContext
from router_core.events import (
    Judgement,
    decision_record,
    outcome_record,
    policy_record,
    quality_record,
    state_record,
)
from router_core.execution import Attempt, Execution, Output, Served, Usage
from router_core.policy.document import Policy
from router_core.policy.parse import from_document, to_document
from router_core.resources import ResourceState, Target, TargetSpec, TargetState
from router_core.routing.choice import chances
from router_core.routing.constraints import permitted
from router_core.routing.decide import decide
from router_core.routing.objective import weigh
from router_core.routing.table import TargetTable, compile_table

START_S: Final = 1_760_000_000.0
TASKS: Final = ("chat", "extract", "summarize")
DEVICE, EDGE, CLOUD = "device/small", "mec/edge", "cloud/big"
SPECS: Final = (
    TargetSpec(name=CLOUD, tier="cloud", kind="bedrock", model="big", price_in=1.0, price_out=5.0, ttft_ms=400.0,
               decode_ms=12.0, rtt_ms=40.0, quality_default=0.9, capability=0.9),
    TargetSpec(name=DEVICE, tier="device", kind="onnx", model="small", ttft_ms=30.0, decode_ms=35.0, rtt_ms=0.0,
               quality_default=0.7, capability=0.3, energy_token_j=0.2),
    TargetSpec(name=EDGE, tier="mec", kind="openai", model="edge", price_in=0.1, price_out=0.4, ttft_ms=90.0,
               decode_ms=15.0, rtt_ms=8.0, quality_default=0.85, capability=0.6),
)  # fmt: skip
STATE: Final = ResourceState.of(tuple(Target(spec=spec, state=TargetState(health="up")) for spec in SPECS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """How good each target really is: `level` at no complexity, `slope` lost per unit of it; `shift` by target and task.
    `judged` of the answers get a judgement."""

    level: Mapping[str, float] = field(default_factory=lambda: {DEVICE: 0.72, EDGE: 0.86, CLOUD: 0.93})
    slope: Mapping[str, float] = field(default_factory=lambda: {DEVICE: 0.55, EDGE: 0.3, CLOUD: 0.12})
    shift: Mapping[tuple[str, str], float] = field(default_factory=lambda: {(EDGE, "extract"): 0.06})
    dearer: float = 1.0
    judged: float = 1.0

    def quality(self, context: RequestContext, target: str) -> float:
        """The chance that an answer is good."""
        level = self.level[target] - self.slope[target] * context.complexity
        return min(0.99, max(0.01, level + self.shift.get((target, context.task), 0.0)))


TRUTH: Final = Truth()


def policy(name: str, *, explore: float = 0.0, **weights: float) -> Policy:
    """A policy whose balanced objective has these weights, for classes that have none of their own."""
    document: dict[str, Any] = {"name": name, "exploration": {"rate": explore}}
    if weights:
        zero = dict.fromkeys(("quality", "latency", "cost", "energy", "privacy", "load", "affinity"), 0.0)
        document["objectives"] = {"balanced": zero | weights}
    document["classes"] = {"complex": {"optimize": "balanced"}}
    return from_document(document)


def contexts(seed: int, name: str = "r") -> Iterator[RequestContext]:
    """Requests without end."""
    chance = random.Random(seed)
    number = 0
    while True:
        number += 1
        complexity = chance.betavariate(1.6, 2.2)
        output = max(8, int(chance.lognormvariate(4.6, 0.7)))
        yield RequestContext(
            request_id=f"{name}-{seed}-{number}",
            tenant=chance.choice(("acme", "acme", "blue", "corp")),
            task=chance.choice(TASKS),
            request_class="complex" if complexity > 0.5 else "simple",
            complexity=round(complexity, 4),
            prompt_tokens=max(4, int(chance.lognormvariate(4.8, 0.8))),
            output_tokens=output,
            max_output_tokens=1024,
            fit_tokens=2048,
        )


def dealt(context: RequestContext, table: TargetTable) -> dict[str, float]:
    """The policy's chances by target name."""
    weighed = weigh(context, table, ())
    allowed, _ = permitted(context, table, weighed)
    return {table.names[i]: chance for i, chance in chances(context, table, weighed.scores, allowed).items()}


def table_of(used: Policy) -> TargetTable:
    """The policy over the world's snapshot."""
    return compile_table(STATE, used)


@dataclass(slots=True)
class Log:
    """Draws what comes of decisions, as records."""

    truth: Truth
    chance: random.Random
    clock_s: float = START_S

    def preface(self, *policies: Policy) -> Iterator[Mapping[str, Any]]:
        """What must stand before the decisions."""
        yield state_record(self.clock_s, STATE.as_record())
        for one in policies:
            yield policy_record(self.clock_s, one.sha256, to_document(one))

    def records(self, context: RequestContext, table: TargetTable) -> Iterator[Mapping[str, Any]]:
        """Decide one request; what was decided and what came of it."""
        decision = decide(context, table)
        self.clock_s += 1.0
        yield decision_record(self.clock_s, context, decision, ())
        yield self.outcome(context, decision.target)
        if self.chance.random() < self.truth.judged:
            score = float(self.chance.random() < self.truth.quality(context, decision.target))
            judgement = Judgement(source="judge", score=score)
            yield quality_record(
                self.clock_s + 2.0, context.tenant, context.request_id, decision.target, judgement
            )

    def outcome(self, context: RequestContext, target: str) -> Mapping[str, Any]:
        spec = next(one for one in SPECS if one.name == target)
        tokens = max(1, int(context.output_tokens * self.chance.lognormvariate(0.0, 0.4)))
        cost = spec.cost_usd(context.prompt_tokens, tokens) * self.truth.dearer
        noise = self.chance.lognormvariate(0.0, 0.3)
        latency = (spec.rtt_ms + spec.ttft_ms + spec.decode_ms * tokens) * noise
        usage = Usage(prompt_tokens=context.prompt_tokens, completion_tokens=tokens)
        attempt = Attempt(
            target=target, outcome="ok", latency_ms=latency, ttft_ms=spec.ttft_ms, usage=usage, cost_usd=cost
        )
        execution = Execution(
            served=Served(target=target, tier=spec.tier, model=spec.model),
            output=Output(choices=()),
            usage=usage,
            attempts=(attempt,),
            cost_usd=cost,
            energy_j=0.0,
            execution_ms=latency,
        )
        return outcome_record(
            self.clock_s + 1.0, context.tenant, context.request_id, "completed", execution, "bypass"
        )


def true_cost(context: RequestContext, target: str, truth: Truth = TRUTH) -> float:
    """Expected USD: tokens are the expected ones times a log-normal of sigma 0.4, whole tokens apart."""
    spec = next(one for one in SPECS if one.name == target)
    tokens = context.output_tokens * math.exp(0.08)
    return (spec.price_in * context.prompt_tokens + spec.price_out * tokens) / 1e6 * truth.dearer
