"""Opens the fleets of the models that the settings let come and go, and what keeps them; without any there is nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from importlib.util import find_spec

from agents.assembly import Router
from agents.nodes import DemandSink, Kept, NodeKeeper
from gateway.composition.plan import Plan, PlannedTarget
from gateway.settings.schema import NodeSettings, NodesSettings
from router_core.adapters.memory.state import MemoryStateStore
from router_core.errors import ConfigurationError, StoreError
from router_core.ports import Clock, EventSink, NodeFleet, StateStore
from router_core.record import dataclass
from router_core.routing.residency import Bounds

Closers = list[Callable[[], Awaitable[None]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Nodes:
    """`events` is where records go from now on, so that demand is counted; `start` begins to keep the models."""

    events: EventSink
    start: Callable[[Router], tuple[asyncio.Task[None], ...]]


async def open_nodes(
    made: Plan, shared: StateStore | None, events: EventSink, closers: Closers, clock: Clock
) -> Nodes:
    """Raises `ConfigurationError`."""
    settings = made.settings.nodes
    if not settings.models:
        return Nodes(events=events, start=lambda router: ())
    if shared is None and made.settings.server.workers > 1:
        raise ConfigurationError(
            "settings: nodes with several workers needs state that they share: redis or stores"
        )
    state = shared or MemoryStateStore(clock)
    targets = {target.spec.name: target for target in made.targets}
    fleets = await _fleets(settings, targets, closers)
    kept = {
        node.target: Kept(bounds=_bounds(settings, node), fleet=fleets[node.target])
        for node in settings.models
    }
    demand = DemandSink(events, frozenset(kept))

    def start(router: Router) -> tuple[asyncio.Task[None], ...]:
        keeper = NodeKeeper(kept, demand, state, clock, router.place)
        return (asyncio.create_task(keeper.keep(settings.every_s)),)

    return Nodes(events=demand, start=start)


def _bounds(settings: NodesSettings, node: NodeSettings) -> Bounds:
    return Bounds(
        min_nodes=node.min,
        max_nodes=node.max,
        requests_per_min=node.requests_per_min,
        idle_s=settings.idle_s,
        cooldown_s=settings.cooldown_s,
    )


async def _fleets(
    settings: NodesSettings, targets: Mapping[str, PlannedTarget], closers: Closers
) -> dict[str, NodeFleet]:
    fleets: dict[str, NodeFleet] = {}
    services: list[NodeSettings] = []
    for node in settings.models:
        target = _checked(node, settings, targets)
        if node.target in fleets or any(other.target == node.target for other in services):
            raise ConfigurationError(f"settings: nodes.models names {node.target} twice")
        if node.adapter is None:
            services.append(node)
        else:
            fleets[node.target] = _adapter(target, node.adapter, closers)
    return fleets | (await asyncio.to_thread(_services, settings, services, closers) if services else {})


def _checked(
    node: NodeSettings, settings: NodesSettings, targets: Mapping[str, PlannedTarget]
) -> PlannedTarget:
    target = targets.get(node.target)
    if target is None or target.spec.tier != "mec" or target.spec.kind != "openai":
        raise ConfigurationError(f"settings: nodes.models: {node.target} is no edge node among the targets")
    if (node.service is None) == (node.adapter is None):
        raise ConfigurationError(
            f"settings: nodes.models: {node.target} needs a service or an adapter, not both"
        )
    if node.min > node.max or (node.adapter is not None and node.max > 1):
        raise ConfigurationError(f"settings: nodes.models: {node.target}: min and max do not fit")
    if node.service is not None and settings.cluster is None:
        raise ConfigurationError("settings: nodes.cluster is missing")
    return target


def _adapter(target: PlannedTarget, folder: str, closers: Closers) -> NodeFleet:
    from router_core.adapters.models.http_pool import HttpPool
    from router_core.adapters.models.vllm_lora import VllmAdapter

    pool = HttpPool(target.settings.base_url or "", max_connections=2)
    closers.append(pool.aclose)
    key = target.secret.reveal() if target.secret is not None else None
    return VllmAdapter(pool, target.spec.model, folder, api_key=key)


def _services(settings: NodesSettings, nodes: list[NodeSettings], closers: Closers) -> dict[str, NodeFleet]:
    if find_spec("boto3") is None:
        raise ConfigurationError("settings: nodes.cluster needs its package: pip install 'tierwise[aws]'")
    from router_core.adapters.aws.client import AwsThreads, aws_client
    from router_core.adapters.aws.ecs_nodes import EcsNodes

    try:
        client = aws_client("ecs", region=settings.region)
    except StoreError as error:
        raise ConfigurationError(f"settings: nodes.cluster: {error}") from None
    threads, cluster = AwsThreads(workers=1, waiting=16), settings.cluster or ""
    closers.append(threads.close)
    return {node.target: EcsNodes(client, cluster, node.service or "", threads=threads) for node in nodes}
