"""The round as a Strands graph: its nodes are our steps, its edges are walked while the round goes on.

Strands orders, runs side by side what may run so, and bounds the time; what a step asks goes through the one asker, so caps,
breaker and records are those of every other question. A graph is made per round, because it keeps what it was told.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

from strands.multiagent import GraphBuilder
from strands.multiagent.base import MultiAgentBase, MultiAgentResult, Status

from agents.deliberation.background import Round, Steps

ROUND_S: Final = 600.0
"""Shorter than the right to look lasts, so that no second replica begins meanwhile."""
STEP_S: Final = 400.0
_EDGES: Final = (
    ("monitor", "resource"),
    ("monitor", "cache"),
    ("resource", "router"),
    ("cache", "router"),
    ("router", "safety"),
    ("safety", "simulate"),
    ("simulate", "store"),
)
NODES: Final = ("monitor", "resource", "cache", "router", "safety", "simulate", "store")


class Step(MultiAgentBase):
    """A node that does one thing of ours."""

    def __init__(self, name: str, act: Callable[[], Awaitable[None]]) -> None:
        super().__init__()
        self.id = name
        self._act = act

    async def invoke_async(
        self, task: Any, invocation_state: dict[str, Any] | None = None, **_: Any
    ) -> MultiAgentResult:
        """What it does is told by the round, not by what it returns."""
        await self._act()
        return MultiAgentResult(status=Status.COMPLETED)


async def walk(steps: Steps, now: Round) -> None:
    """Take the steps. A step that fails by a fault of ours, or the round's time being over, ends it."""
    # Strands' own lines hold whole messages.
    logging.getLogger("strands").setLevel(logging.CRITICAL)
    builder = GraphBuilder()
    for name in NODES:
        builder.add_node(Step(name, _acting(steps, now, name)), name)
    for before, after in _EDGES:
        builder.add_edge(before, after, condition=lambda _: now.goes_on)
    builder.set_entry_point(NODES[0])
    builder.set_max_node_executions(len(NODES))
    builder.set_execution_timeout(ROUND_S)
    builder.set_node_timeout(STEP_S)
    try:
        await builder.build().invoke_async("a policy round")
    except Exception as error:
        logging.getLogger("tierwise.proposals").exception("policy round %s failed", now.id)
        now.ended = f"failed: {type(error).__name__}"


def _acting(steps: Steps, now: Round, name: str) -> Callable[[], Awaitable[None]]:
    step: Callable[[Round], Awaitable[None]] = getattr(steps, name)

    async def act() -> None:
        # Of two that ran side by side one may have ended the round; it is not begun again by the other's edge.
        if now.goes_on:
            await step(now)

    return act
