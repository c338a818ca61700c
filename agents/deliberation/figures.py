"""What deliberation did so far, in numbers: how often it was asked and why not, what that cost and how long it took, by agent
and for whole decisions."""

from __future__ import annotations

from collections import Counter

from agents.figures import Buckets
from router_core.monitoring import DeliberationNumbers


class Figures:
    """Plain counters, for one event loop."""

    def __init__(self) -> None:
        self._outcomes: Counter[tuple[str, str]] = Counter()
        self._cost: dict[str, float] = {}
        self._seconds: dict[str, Buckets] = {}
        self._decision_cost: dict[str, float] = {}
        self._decision_seconds: dict[str, Buckets] = {}

    def count(self, agent: str, outcome: str) -> None:
        """One decision that ended so."""
        self._outcomes[agent, outcome] += 1

    def asked(self, agent: str, seconds: float, cost_usd: float) -> None:
        """One answer of a model."""
        self._cost[agent] = self._cost.get(agent, 0.0) + cost_usd
        self._seconds.setdefault(agent, Buckets()).add(seconds)

    def decided(self, decided_by: str, seconds: float, cost_usd: float) -> None:
        """One decision that was thought about: how long that held it up, and what the answers cost that it waited for."""
        self._decision_cost[decided_by] = self._decision_cost.get(decided_by, 0.0) + cost_usd
        self._decision_seconds.setdefault(decided_by, Buckets()).add(seconds)

    def numbers(self) -> DeliberationNumbers:
        """All so far."""
        return DeliberationNumbers(
            outcomes=dict(self._outcomes),
            cost_usd=dict(self._cost),
            seconds={agent: buckets.histogram() for agent, buckets in self._seconds.items()},
            decision_cost_usd=dict(self._decision_cost),
            decision_seconds={word: buckets.histogram() for word, buckets in self._decision_seconds.items()},
        )
