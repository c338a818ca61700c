"""The cache agent's hands: keeps models on edge nodes where they are asked for, beside the request path.

Counts what is asked of each model from the decision records, and at every look adds its counts to a history that all
replicas share. Whoever writes that history first, by a conditional write that also claims the change, makes it; the
others read the claim and leave it. A store or a fleet that does not answer means no change.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from router_core.errors import StoreError
from router_core.events import nodes_record
from router_core.ports import Clock, EventSink, NodeFleet, StateStore
from router_core.record import dataclass
from router_core.routing.constraints import is_capacity
from router_core.routing.residency import Action, Bounds, History, folded, plan, residency

NEAREST: Final = "device"
_log: Final = logging.getLogger("tierwise.nodes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A target whose model comes and goes."""

    bounds: Bounds
    fleet: NodeFleet


class DemandSink:
    """`EventSink` that passes every record on and counts, per target, the requests that were for it: those that it was
    chosen for, and those that it would have been permitted, had it not been cold, ill or busy, and that no device could
    serve nearer."""

    def __init__(self, sink: EventSink, targets: frozenset[str]) -> None:
        self._sink, self._targets = sink, targets
        self._counts: Counter[str] = Counter()

    @property
    def dropped(self) -> int:
        """What the sink behind could not take."""
        return int(getattr(self._sink, "dropped", 0))

    def emit(self, record: Mapping[str, Any]) -> None:
        """Count, and pass on."""
        if record.get("kind") == "decision":
            self._count(record)
        self._sink.emit(record)

    async def close(self) -> None:
        """Close the sink behind."""
        await self._sink.close()

    def take(self, target: str) -> int:
        """The count since the last time; whoever could not use it gives it back."""
        return self._counts.pop(target, 0)

    def give_back(self, target: str, count: int) -> None:
        """Count these again."""
        if count:
            self._counts[target] += count

    def _count(self, record: Mapping[str, Any]) -> None:
        chosen, rejected = record.get("chosen"), record.get("rejected") or {}
        for target in self._targets:
            if target == chosen or (is_capacity(rejected.get(target)) and record.get("tier") != NEAREST):
                self._counts[target] += 1


class NodeKeeper:
    """Looks at every kept model, and changes at most one count per model and cooldown. `show` is told how each stands."""

    def __init__(
        self,
        kept: Mapping[str, Kept],
        demand: DemandSink,
        state: StateStore,
        clock: Clock,
        show: Callable[[str, str], None],
    ) -> None:
        self._kept, self._demand, self._state, self._show = kept, demand, state, show
        self._now = clock.now_s

    async def keep(self, every_s: float) -> None:
        """Look again and again, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(every_s)

    async def look(self) -> None:
        """One look at all of them; trouble with one is no trouble for the others."""
        for target, kept in self._kept.items():
            try:
                await self._tend(target, kept)
            except StoreError as error:
                _log.warning("%s is left as it is: %s", target, error)
            except Exception:
                # A mistake with one model must not end the care for all of them.
                _log.exception("%s cannot be looked after", target)

    async def _tend(self, target: str, kept: Kept) -> None:
        standing = await kept.fleet.standing()
        self._show(target, residency(standing.wanted, standing.running))
        count = self._demand.take(target)
        try:
            action, rate = await self._claim(target, kept.bounds, standing.wanted, count)
        except StoreError:
            self._demand.give_back(target, count)
            raise
        if action is None:
            return
        await kept.fleet.want(action.nodes)
        self._demand.emit(nodes_record(self._now(), target, action, rate))
        _log.info("%s: %s from %d to %d: %s", target, action.kind, action.before, action.nodes, action.reason)

    async def _claim(
        self, target: str, bounds: Bounds, wanted: int, count: int
    ) -> tuple[Action | None, float]:
        """The change that is ours to make, and the demand of this minute. Raises `StaleStateError` when another replica
        wrote meanwhile: what it saw is looked at the next time."""
        key, now = f"nodes/{target}", self._now()
        found = await self._state.get(key)
        history = folded(_read(found.value if found else None, now), count, now)
        action = plan(bounds, history, wanted, now)
        if action is not None:
            history = replace(history, changed_s=now)
        if action is not None or count or found is None:
            await self._state.put(key, history.encoded(), expected=found.version if found else 0)
        return action, dict(history.minutes).get(int(now // 60), 0.0)


def _read(value: bytes | None, now: float) -> History:
    """What is kept; a value that cannot be read is as none, and the model then counts as just asked for."""
    if value is not None:
        try:
            return History.decoded(value)
        except (ValueError, KeyError, TypeError):
            _log.warning("a history of nodes cannot be read and begins anew")
    return History(asked_s=now)
