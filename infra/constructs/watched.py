"""What an environment's dashboard and alarms look at besides our own metrics: AWS's resources by their names.

Names, not constructs: the dashboard then depends on no other stack and may be deployed first, which lets a first
deployment already be judged by the alarms.
"""

from __future__ import annotations

from dataclasses import dataclass

from router_core.deployment import EVENT_BUS, FUNCTIONS, STREAM, TABLES, resource_name
from router_core.stages import NAMES


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """Names in one account and region. `web_acls` and `queues` are told, since each stack decides how many it has."""

    env: str
    region: str
    functions: tuple[str, ...]
    agents: tuple[str, ...]
    tables: tuple[str, ...]
    stream: str
    bus: str
    analytics: str
    api: str
    cluster: str
    service: str
    web_acls: tuple[str, ...]
    dead_letters: tuple[str, ...]


def watched(env: str, region: str) -> Watched:
    """The names that `env` has in `region`."""
    return Watched(
        env=env,
        region=region,
        functions=tuple(resource_name(env, name) for name in (*NAMES, *FUNCTIONS)),
        agents=NAMES,
        tables=tuple(resource_name(env, name) for name in TABLES),
        stream=resource_name(env, STREAM),
        bus=resource_name(env, EVENT_BUS),
        analytics=resource_name(env, "analytics"),
        api=resource_name(env, "api"),
        cluster=resource_name(env, "edge"),
        service=resource_name(env, "gateway"),
        web_acls=(resource_name(env, "api"),),
        dead_letters=tuple(resource_name(env, f"{what}-dlq") for what in ("events", "alerts", "functions")),
    )
