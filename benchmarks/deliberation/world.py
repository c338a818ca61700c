"""Requests whose answers are known for every target, a model that knows the best one now and then, and the router's own gate.

Net utility of an answer is its quality less its cost, and the question's, over what a bad answer costs. The deliberator is the
product's; the model's accuracy is the share of questions to which it names the target of the highest net utility, else it
names another at random. Every answer is judged, after it was given.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from agents.deliberation.asking import Question, Role, Thought
from agents.deliberation.deliberator import Deliberator, Home
from agents.weighing import Weighing
from router_core.adapters.memory.ledger import MemoryLedger
from router_core.context import RequestContext
from router_core.inference import Caller, InferenceRequest
from router_core.policy.document import Policy
from router_core.policy.parse import from_document
from router_core.ports import Clock
from router_core.resources import ResourceState, Target, TargetSpec, TargetState
from router_core.routing.decide import decide
from router_core.routing.table import TargetTable, compile_table

STAKE_USD: Final = 0.02
"""What a bad answer costs."""
ANSWER_TOKENS: Final = 40
CLASSES: Final = ("simple", "complex", "critical", "batch")
DEVICE, EDGE, CLOUD = "device/8b", "mec/70b", "cloud/frontier"
SPECS: Final = (
    TargetSpec(name=CLOUD, tier="cloud", kind="bedrock", model="frontier", price_in=3.0, price_out=15.0, groups=("us",),
               ttft_ms=1140.0, decode_ms=12.6, rtt_ms=20.0, quality_default=0.84, capability=0.9),
    TargetSpec(name=DEVICE, tier="device", kind="onnx", model="8b", groups=("*",), ttft_ms=100.0, decode_ms=40.0, rtt_ms=0.0,
               quality_default=0.6, capability=0.3),
    TargetSpec(name=EDGE, tier="mec", kind="openai", model="70b", price_in=0.88, price_out=0.88, groups=("us",),
               ttft_ms=150.0, decode_ms=16.7, quality_default=0.76, capability=0.6),
)  # fmt: skip
TARGETS: Final = (DEVICE, EDGE, CLOUD)
PRICES: Final[Mapping[str, tuple[float, float]]] = {
    "Nova Micro": (0.035, 0.14),
    "Nova Lite": (0.06, 0.24),
    "Nova Pro": (0.8, 3.2),
}
"""USD per million tokens in and out."""


def gated(**scorer: float) -> Policy:
    """The policy under which requests are decided: quality and cost count, and the router agent is asked where that pays."""
    weights = {"quality": 0.8, "latency": 0.02, "cost": 0.18, "energy": 0.0, "load": 0.0, "affinity": 0.0}
    return from_document(
        {
            "objectives": {"balanced": weights},
            "classes": {"complex": {"optimize": "balanced"}},
            "scorer": scorer,
            "deliberation": {"router": dict.fromkeys(CLASSES, "gated")},
            "deliberation_limits": {
                "usd_per_day": 1e6,
                "tenant_usd_per_day": 1e6,
                "reuse_s": 0.0,
                **{f"stake_{name}_usd": STAKE_USD for name in CLASSES},
            },
        }
    )


def table_of(policy: Policy) -> TargetTable:
    """All three targets, up and idle."""
    up = tuple(Target(spec=spec, state=TargetState(health="up")) for spec in SPECS)
    return compile_table(ResourceState.of(up), policy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A decided request, and by target what its answer would be worth."""

    weighing: Weighing
    score: Mapping[str, float]
    net: Mapping[str, float]

    @property
    def open(self) -> bool:
        """Whether all targets may have it; of what holds personal data, models aren't asked."""
        return set(self.weighing.decision.scores) == set(TARGETS)

    @property
    def best(self) -> str:
        return max(TARGETS, key=lambda name: self.net[name])


def case(
    context: RequestContext, table: TargetTable, score: Sequence[float], cost_usd: Sequence[float]
) -> Case:
    """`score` and `cost_usd` are by target, cheapest first."""
    request = InferenceRequest(
        request_id=context.request_id,
        received_s=0.0,
        caller=Caller(tenant=context.tenant, key_id="bench"),
        messages=({"role": "user", "content": "?"},),
    )
    weighing = Weighing(
        request=request, context=context, decision=decide(context, table), table=table, inflight=()
    )
    return Case(
        weighing=weighing,
        score=dict(zip(TARGETS, score, strict=True)),
        net={name: s - c / STAKE_USD for name, s, c in zip(TARGETS, score, cost_usd, strict=True)},
    )


class Simulated:
    """A model of known accuracy; `now` is the request that it will be asked about next."""

    def __init__(self, accuracy: float, price: tuple[float, float], seed: int) -> None:
        self._accuracy, self._price, self._chance = accuracy, price, random.Random(seed)
        self.now, self.paid_usd, self.asked, self.tokens = "", 0.0, 0, 0

    def names(self, best: str) -> str:
        """What it would say where this target is the best."""
        if self._chance.random() < self._accuracy:
            return best
        return self._chance.choice([name for name in TARGETS if name != best])

    async def think(self, question: Question) -> Thought:
        # What a model would count, about.
        self.tokens = (len(question.prompt.text) + len(question.text)) // 4 + 300
        self.asked += 1
        self.paid_usd += self.price_usd(question.role, self.tokens, ANSWER_TOKENS)
        values: dict[str, Any] = {"target": self.now, "basis": "quality", "confidence": 0.5}
        return Thought(
            values=values, model="simulated", input_tokens=self.tokens, output_tokens=ANSWER_TOKENS
        )

    def price_usd(self, role: Role, input_tokens: int, output_tokens: int) -> float:
        return (self._price[0] * input_tokens + self._price[1] * output_tokens) / 1e6

    def warm(self) -> None:
        return None


class Still(Clock):
    """Time that does not pass: no budget runs out because the machine is busy."""

    def now_s(self) -> float:
        return 1_760_000_000.0

    def monotonic_s(self) -> float:
        return 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """Mean net utility of never asking, of always asking and following, and of the gate; and the share that it asked."""

    never: float
    always: float
    gate: float
    asked: float

    @property
    def gain(self) -> float:
        """Over the better of never and always."""
        return self.gate - max(self.never, self.always)


async def lengths(cases: Sequence[Case]) -> list[int]:
    """The tokens that a question about each case takes where all are asked about."""
    model = Simulated(1.0, PRICES["Nova Micro"], 0)
    thinks, found = _deliberator(model), []
    for one in cases:
        model.now = model.names(one.best)
        await thinks.consider(one.weighing, 1.0)
        found.append(model.tokens)
    await thinks.close()
    return found


async def worth(
    cases: Sequence[Case],
    tokens: Sequence[int],
    accuracy: float,
    price: tuple[float, float],
    seed: int = 0,
) -> Worth:
    """Every case in order, decided by the gate; `tokens` are what questions take, as `lengths` finds them."""
    model = Simulated(accuracy, price, seed)
    thinks = _deliberator(model)
    never = always = gate = 0.0
    for one, length in zip(cases, tokens, strict=True):
        model.now = model.names(one.best)
        made = (await thinks.weigh(one.weighing, 1000.0)).decision
        thinks.judged(made.request_id, made.target, one.score[made.target])
        never += one.net[one.weighing.decision.target]
        always += one.net[model.now] - model.price_usd("pro", length, ANSWER_TOKENS) / STAKE_USD
        gate += one.net[made.target]
    await thinks.close()
    count = len(cases)
    return Worth(
        never=never / count,
        always=always / count,
        gate=(gate - model.paid_usd / STAKE_USD) / count,
        asked=model.asked / count,
    )


def _deliberator(model: Simulated) -> Deliberator:
    home = Home(groups=("us",), specs={spec.name: spec for spec in SPECS})
    return Deliberator(model, MemoryLedger(), Still(), home)
