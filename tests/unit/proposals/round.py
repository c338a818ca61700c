"""A round with scripted models, in memory: what each agent says, what past requests say, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from agents.deliberation.asking import Thinker
from agents.deliberation.background import Background, Eyes, Steps
from agents.deliberation.tools import Tool
from agents.proposals.book import ProposalBook
from agents.proposals.desk import ProposalDesk, Push, Ways
from agents.proposals.figures import Lately
from router_core.adapters.memory.state import MemoryStateStore
from router_core.errors import StoreError
from router_core.policy.document import Policy
from router_core.policy.parse import from_document
from router_core.policy.rollout import Rollout
from router_core.ports import StateStore
from tests.fakes import FakeClock, FakeEvents
from tests.unit.deliberation.thinking import FakeThinker, deliberator

NAMES = ("cloud/pro", "device/intent", "mec/a")
REPORT = {"verdict": "better", "why": "cost falls", "groups": [], "overall": {"decisions": 500}}
SAYS: dict[str, Any] = {
    "monitor_background": {"pattern": "cost", "target": "cloud/pro", "confidence": 0.9},
    "resource_background": {"cause": "routing", "confidence": 0.9},
    "cache_background": {"explains": "no", "confidence": 0.9},
    "router_background": {
        "key_1": "objectives.balanced.cost", "direction_1": "raise", "size_1": 0.5,
        "key_2": "none", "direction_2": "raise", "size_2": 0.0,
        "key_3": "none", "direction_3": "raise", "size_3": 0.0, "confidence": 0.8,
    },
    "safety_background": {"verdict": "approve", "concern": "none", "confidence": 0.9},
}  # fmt: skip


def rules(**proposals: Any) -> Policy:
    """The packaged policy, taking proposals."""
    return from_document({"proposals": {"mode": "propose", **proposals}})


def outcome(target: str = "cloud/pro", **changes: Any) -> dict[str, Any]:
    return {
        "kind": "outcome",
        "status": "completed",
        "target": target,
        "cost_usd": 0.01,
        "latency_ms": 500.0,
        "attempts": [{}],
        **changes,
    }


@dataclass
class Scene:
    """One replica. `policy` is in force; `says` is what the models answer; `report` what past requests say. `model` is asked instead of
    the scripted one."""

    policy: Policy = field(default_factory=rules)
    says: Mapping[str, Any] = field(default_factory=dict)
    report: Any = field(default_factory=lambda: dict(REPORT))
    canary: Policy | None = None
    push: Push | None = None
    clock: FakeClock = field(default_factory=FakeClock)
    events: FakeEvents = field(default_factory=FakeEvents)
    store: StateStore | None = None
    model: Thinker | None = None

    def __post_init__(self) -> None:
        self.thinker = FakeThinker({**SAYS, **self.says})
        self.simulated: list[tuple[Policy, Policy]] = []
        self.store = self.store or MemoryStateStore(self.clock)
        self.lately = Lately(self.events, self.clock)
        self.desk = self.replica("one")
        self.thinks = deliberator(self.model or self.thinker)
        self.background = self.looker(self.desk)

    def replica(self, who: str) -> ProposalDesk:
        """Another desk over the same state."""
        assert self.store is not None
        ways = Ways(
            rollout=lambda: Rollout(
                stable=self.policy, canary=self.canary, share=0.1 if self.canary else 0.0
            ),
            simulate=self.simulate,
            events=self.events,
            clock=self.clock,
            push=self.push,
        )
        return ProposalDesk(ProposalBook(self.store, self.clock, who), ways)

    def looker(self, desk: ProposalDesk) -> Background:
        tools = tuple(
            Tool(name=name, meaning=name, call=lambda: '{"targets":[]}')
            for name in ("state_of_targets", "metrics", "prices")
        )
        eyes = Eyes(lately=self.lately, tools=tools, names=NAMES)
        return Background(Steps(self.thinks.asker, desk, eyes), desk, self.lately)

    async def simulate(self, new: Policy, old: Policy) -> Mapping[str, Any]:
        self.simulated.append((new, old))
        if isinstance(self.report, StoreError):
            raise self.report
        found: Mapping[str, Any] = self.report
        return found

    def traffic(self, requests: int = 100, **changes: Any) -> None:
        for _ in range(requests):
            self.lately.emit(outcome(**changes))

    def changed(self, **proposals: Any) -> None:
        """Another policy is in force."""
        self.policy = replace(rules(**proposals), version=7, sha256="f" * 64)
