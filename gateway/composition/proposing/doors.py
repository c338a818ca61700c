"""The paths that agents outside may reach: what a key may know of itself, and the tools over MCP where they are on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from gateway.composition.plan import Plan
from gateway.composition.proposing.proposals import Proposing
from gateway.http.dependencies import AppDependencies
from gateway.http.mcp.door import DoorRules, McpDoor
from gateway.http.mcp.own import OwnRoutes

Closers = list[Callable[[], Awaitable[None]]]


def with_doors(
    dependencies: AppDependencies, made: Plan, proposing: Proposing, closers: Closers
) -> AppDependencies:
    """The same, with these paths."""
    settings, limiter = made.settings.mcp, dependencies.limiter
    opened = replace(
        dependencies,
        proposals=proposing.desk,
        own=OwnRoutes(proposing.events.newest, dependencies.catalogue, limiter),
    )
    if not settings.enabled:
        return opened
    rules = DoorRules(hosts=settings.hosts, origins=settings.origins, version=dependencies.version)
    door = McpDoor(rules, limiter)
    closers.append(door.close)
    return replace(opened, mcp=door)
