"""Plays the days four times: by the client's own decisions, and by always-cloud, always-device, device-first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from benchmarks.figures import Effort, Section, Table, percentile, shown
from benchmarks.three_days.trace import HOURS, Moment, Question, days, radio_j
from edge_runtime.engines.onnx_intent import OnnxIntentEngine
from edge_runtime.protocol.bundle import Bundle
from edge_runtime.sdk.answers import Wishes
from edge_runtime.sdk.body import request_of
from edge_runtime.sdk.deciding import DeviceRouter
from edge_runtime.store import SHIPPED
from router_core.adapters.data_files import DeclaredTarget, load_data, target_spec
from router_core.errors import NoTargetError
from router_core.policy.document import Policy
from router_core.resources import ResourceState, Target, TargetSpec, TargetState

SEED: Final = 72
_NOTE: Final = """\
{count} questions of 72 hours from one seed: half are commands, a tenth wishes that the device model does not know, a tenth
restricted, the rest conversation. The device model and the decisions are the real ones; networks, answers' lengths and radio are
simulated ({source}). "answered" by anybody; "well" is the declared quality of who answered, 0 where nobody did; energy is
that of the models by their cards and of the phone's radio; "left" counts restricted questions that left the device. Our decisions keep the policy's floors of battery and heat, which the
other rules ignore at no cost in this world: what we leave unanswered beside "device first" was asked offline or in
confidence of a phone below them."""
_SOURCE: Final = "Huang et al., MobiSys 2012, for Wi-Fi and LTE; 3G and 5G by assumed ratios"
Order = Callable[[Moment], Sequence[str]]


@dataclass(slots=True)
class Sum:
    """What one rule came to."""

    asked: int = 0
    answered: int = 0
    left: int = 0
    quality: float = 0.0
    cost_usd: float = 0.0
    model_j: float = 0.0
    radio_j: float = 0.0
    latency_ms: list[float] = field(default_factory=list)


class World:
    """Three targets, and what happens when one is asked. The device model answers what it really knows."""

    def __init__(self) -> None:
        data = load_data()
        declared = (
            DeclaredTarget(name="device/intent-v1", kind="onnx", model="intent-v1"),
            DeclaredTarget(name="mec/edge", kind="openai", model="llama-3.1-8b"),
            DeclaredTarget(name="cloud/nova-pro", kind="bedrock", model="amazon.nova-pro-v1:0"),
        )
        self.specs = {one.name: target_spec(one, data, None) for one in declared}
        self._engine = OnnxIntentEngine.load(SHIPPED / "intent-v1")
        self._known: dict[str, bool] = {}
        self.router = DeviceRouter((self.specs["device/intent-v1"],), Policy())
        targets = tuple(Target(spec=spec, state=TargetState(health="up")) for spec in self.specs.values())
        state = ResourceState.of(targets)
        self.router.obey(Bundle(serial=1, issued_s=0.0, expires_s=1e12, policy=Policy(), state=state))

    def knows(self, text: str) -> bool:
        """Whether the device model answers this, and does not refuse."""
        if text not in self._known:
            self._known[text] = self._engine.parse(text).known
        return self._known[text]

    def decided(self, moment: Moment) -> Sequence[str]:
        """Who is asked, in order, by the client's own decision."""
        question = moment.question
        wishes: Wishes = {"privacy": "restricted"} if question.kind == "private" else {}
        request = request_of(question.text, wishes, moment.device, moment.network)
        try:
            turn = self.router.decide(request, self.router.read(request), trusted=True)
        except NoTargetError:
            return ()
        return (turn.decision.target, *turn.decision.fallbacks)

    def play(self, moments: Sequence[Moment], order: Order) -> Sum:
        """All questions by one rule."""
        total = Sum()
        for moment in moments:
            total.asked += 1
            spent_ms = 0.0
            for name in order(moment):
                took_ms, answered = self._asked(self.specs[name], moment, total)
                spent_ms += took_ms
                if answered:
                    total.answered += 1
                    total.quality += self.specs[name].quality.get(_task(moment.question), 0.7)
                    total.latency_ms.append(spent_ms)
                    break
        return total

    def _asked(self, spec: TargetSpec, moment: Moment, total: Sum) -> tuple[float, bool]:
        question = moment.question
        if spec.tier == "device":
            total.model_j += spec.energy_request_j
            return spec.ttft_ms, self.knows(question.text)
        if moment.network.type == "offline":
            return 0.0, False
        total.left += question.kind == "private"
        prompt = len(question.text) / 4 + 8
        took_ms = (moment.network.rtt_ms or 0.0) + spec.ttft_ms + question.tokens * spec.decode_ms
        total.cost_usd += (prompt * spec.price_in + question.tokens * spec.price_out) / 1e6
        total.model_j += question.tokens * spec.energy_token_j
        total.radio_j += radio_j(moment.network.type or "4g", took_ms / 1000.0, question.gap_s)
        return took_ms, True


def measure(effort: Effort) -> Section:
    """Sizes follow the effort's calls: 40 questions an hour at full size."""
    world, per_hour = World(), max(6, effort.calls // 100)
    moments = list(days(SEED, per_hour))
    rules: dict[str, Order] = {
        "Tierwise": world.decided,
        "always cloud": lambda _: ("cloud/nova-pro",),
        "always device": lambda _: ("device/intent-v1",),
        "device first, then edge, then cloud": lambda _: tuple(world.specs),
    }
    sums = {name: world.play(moments, order) for name, order in rules.items()}
    ours, cloud = sums["Tierwise"], sums["always cloud"]
    return Section(
        name="three_days",
        tables=(
            Table(
                title=f"{HOURS} hours of a phone",
                header=("rule", "answered", "well", "p50 / p95", "USD", "models", "radio", "left"),
                rows=tuple((name, *_row(one)) for name, one in sums.items()),
                note=_NOTE.format(count=len(moments), source=_SOURCE),
            ),
        ),
        figures={
            "three_days_left": float(ours.left),
            "three_days_energy": (ours.model_j + ours.radio_j) / (cloud.model_j + cloud.radio_j),
            "three_days_cost": ours.cost_usd / cloud.cost_usd,
        },
    )


def _row(one: Sum) -> tuple[str, ...]:
    p50, p95 = (percentile(one.latency_ms, share) for share in (0.5, 0.95))
    return (
        f"{one.answered / one.asked:.1%}",
        f"{one.quality / one.asked:.3f}",
        f"{shown(p50)} / {shown(p95)} ms",
        f"{one.cost_usd:.4f}",
        f"{one.model_j / 1000.0:.2f} kJ",
        f"{one.radio_j / 1000.0:.2f} kJ",
        str(one.left),
    )


def _task(question: Question) -> str:
    return "chat" if question.kind == "chat" else "command"
