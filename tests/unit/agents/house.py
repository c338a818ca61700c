"""A router put together from fakes: one device, one edge and one cloud target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from agents.assembly import Ports, Router, assemble
from agents.executor import unfitted
from agents.sensing import SignalServices
from agents.weighing import Deliberating
from router_core.inference import Caller, InferenceRequest
from router_core.learning.verification import Keeping
from router_core.policy.document import Policy
from router_core.policy.parse import from_document
from router_core.policy.rollout import Rollout
from router_core.resources import TargetSpec
from tests.fakes import (
    FakeClock,
    FakeEmbedder,
    FakeEvents,
    FakeModel,
    FakeResponses,
    FixedPolicy,
    text_answer,
)

DEVICE = TargetSpec(
    name="device/intent",
    tier="device",
    kind="onnx",
    model="intent-v1",
    tasks=("command", "embed"),
    groups=("*",),
    quality={"command": 0.95},
    ttft_ms=3.0,
    decode_ms=0.0,
    tools=False,
    json_output=False,
)
MEC = TargetSpec(
    name="mec/a",
    tier="mec",
    kind="openai",
    model="llama",
    groups=("eu",),
    continues=True,
    quality_default=0.8,
)
CLOUD = TargetSpec(
    name="cloud/pro",
    tier="cloud",
    kind="bedrock",
    model="nova-pro",
    groups=("us",),
    continues=True,
    price_in=1.0,
    price_out=4.0,
    quality_default=0.75,
    capability=0.9,
    modalities=("text", "image"),
)
QUICK = from_document({"retry": {"base_ms": 1, "cap_ms": 2}, "limits": {"stream_idle_ms": 1000}})


@dataclass
class House:
    """The router and the fakes behind it."""

    specs: tuple[TargetSpec, ...] = (DEVICE, MEC, CLOUD)
    policy: Policy = QUICK
    models: dict[str, FakeModel] = field(default_factory=dict)
    clock: FakeClock = field(default_factory=FakeClock)
    events: FakeEvents = field(default_factory=FakeEvents)
    responses: FakeResponses = field(default_factory=FakeResponses)
    embedder: FakeEmbedder = field(default_factory=FakeEmbedder)
    signals: SignalServices | None = None
    thinking: Deliberating | None = None
    keeping: Callable[[], Keeping] = unfitted

    def build(self, **scripts: Any) -> Router:
        """Scripts by tier: device=[...], mec=[...], cloud=[...]; an unscripted target answers "fine"."""
        for spec in self.specs:
            self.models[spec.name] = FakeModel(scripts.get(spec.tier, [text_answer("fine")]))
        return assemble(
            self.specs,
            Ports(
                models=self.models,
                embedders={spec.name: self.embedder for spec in self.specs if "embed" in spec.tasks},
                probes={},
                responses=self.responses,
                events=self.events,
                policy=FixedPolicy(Rollout(stable=self.policy)),
                clock=self.clock,
                signals=self.signals,
                thinking=self.thinking,
                keeping=self.keeping,
            ),
        )


def ask(text: str = "what is the capital of France", **changes: Any) -> InferenceRequest:
    request = InferenceRequest(
        request_id="req_1",
        received_s=0.0,
        caller=Caller(tenant="acme", key_id="k1"),
        messages=({"role": "user", "content": text},),
    )
    return replace(request, **changes)
