"""What agents may look at: targets, prices, policy, figures, and a tenant's own decisions. Read-only and bounded.

Each tool is a plain function of what the process knows already; none takes an argument, so nothing a model says reaches a
query. Figures are sums over all requests; past decisions are shown to questions of the same tenant alone.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Final, Protocol

from agents.resource import TargetView
from router_core.decision import RoutingDecision
from router_core.monitoring import MonitorSnapshot
from router_core.policy.parse import to_document
from router_core.policy.rollout import Rollout
from router_core.record import dataclass
from router_core.resources import TargetSpec

MAX_CHARS: Final = 4000
"""Of one tool's answer: a model that looks at everything still costs little."""
LISTED: Final = 32
SIMILAR: Final = 8
REMEMBERED: Final = 2048
_POLICY_PARTS: Final = ("objectives", "classes", "tiers", "thresholds", "deliberation", "deliberation_limits")
_STATE: Final = (
    "name", "tier", "health", "breaker", "draining", "throttled", "saturation", "queue_ms", "ttft_ms", "error_rate", "quality_delta",
)  # fmt: skip


class Knowledge(Protocol):
    """What the running router tells of itself."""

    def targets(self) -> tuple[TargetView, ...]: ...

    def rollout(self) -> Rollout: ...

    def snapshot(self) -> MonitorSnapshot: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One thing to look at: `call` gives a JSON text of at most `MAX_CHARS`."""

    name: str
    meaning: str
    call: Callable[[], str]


class History:
    """The last decisions of this process, for those who decide something alike; without content or ids."""

    def __init__(self) -> None:
        self._kept: deque[tuple[str, dict[str, Any]]] = deque(maxlen=REMEMBERED)

    def note(self, tenant: str, task: str, decision: RoutingDecision) -> None:
        """A decision was taken."""
        kept = {
            "class": decision.request_class,
            "task": task,
            "target": decision.target,
            "decided_by": decision.decided_by,
            "confidence": round(decision.confidence, 3),
        }
        self._kept.append((tenant, kept))

    def similar(self, tenant: str, task: str) -> list[dict[str, Any]]:
        """The tenant's own last decisions for such a task, newest first."""
        found = [kept for owner, kept in reversed(self._kept) if owner == tenant and kept["task"] == task]
        return found[:SIMILAR]


def tools(knowledge: Knowledge, specs: Mapping[str, TargetSpec]) -> tuple[Tool, ...]:
    """What may be looked at without belonging to a tenant: figures are sums over all requests."""
    return (
        _tool(
            "state_of_targets", "Health, load and errors of every target now.", lambda: _targets(knowledge)
        ),
        _tool(
            "prices", "USD per million tokens of every target, and its capability.", lambda: _prices(specs)
        ),
        _tool("policy", "The policy in force.", lambda: _policy(knowledge)),
        _tool("metrics", "Counts, cost and percentiles since the start.", lambda: _metrics(knowledge)),
    )


def _tool(name: str, meaning: str, look: Callable[[], Mapping[str, Any]]) -> Tool:
    return Tool(name=name, meaning=meaning, call=lambda: bounded(look()))


def bounded(found: Mapping[str, Any]) -> str:
    """JSON of at most `MAX_CHARS`: lists and tables lose their ends until it fits, and it says that they did."""
    kept: dict[str, Any] = dict(found)
    text = _spelled(kept)
    while len(text) > MAX_CHARS:
        longest = max(kept, key=lambda name: len(_spelled(kept[name])))
        kept[longest] = _halved(kept[longest])
        kept["shortened"] = True
        text = _spelled(kept)
    return text


def _halved(value: Any) -> Any:
    if isinstance(value, list) and len(value) > 1:
        return value[: len(value) // 2]
    if isinstance(value, dict) and len(value) > 1:
        return dict(list(value.items())[: len(value) // 2])
    return None


def _spelled(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str, separators=(",", ":"))


def _targets(knowledge: Knowledge) -> dict[str, Any]:
    views = [asdict(view) for view in knowledge.targets()[:LISTED]]
    return {"targets": [{name: view[name] for name in _STATE if view[name] is not None} for view in views]}


def _prices(specs: Mapping[str, TargetSpec]) -> dict[str, Any]:
    listed = [specs[name] for name in sorted(specs)[:LISTED]]
    return {
        "targets": [
            {
                "name": s.name,
                "model": s.model,
                "in": s.price_in,
                "out": s.price_out,
                "capability": s.capability,
            }
            for s in listed
        ]
    }


def _policy(knowledge: Knowledge) -> dict[str, Any]:
    policy = knowledge.rollout().stable
    document = to_document(policy)
    return {"label": policy.label, **{part: document[part] for part in _POLICY_PARTS}}


def _metrics(knowledge: Knowledge) -> dict[str, Any]:
    seen = knowledge.snapshot()
    return {
        "requests": [[*key, count] for key, count in seen.requests.items()],
        "fallbacks": [[*key, count] for key, count in seen.fallbacks.items()],
        "cost_usd": {f"{tier}:{target}": round(usd, 6) for (tier, target), usd in seen.cost_usd.items()},
        "cache": dict(seen.cache),
        "targets": [asdict(target) for target in seen.targets[:LISTED]],
        "deliberations": [[*key, count] for key, count in seen.deliberation.outcomes.items()],
    }
