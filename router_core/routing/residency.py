"""When a model on edge nodes is deployed, scaled or retired: a pure function of demand, bounds and time.

More than the nodes take, and as many are wanted as the demand needs at once; fewer only when the last minutes would have
fitted on one less with room to spare, one step at a time; none (or the least that may be) when nobody has asked for long.
So a steady demand settles at one count and stays there.
"""

from __future__ import annotations

import json
import math
from typing import Final, Literal

from router_core.record import dataclass

Kind = Literal["deploy", "scale", "retire"]
KEPT_MINUTES: Final = 5
"""How far back the demand is remembered, and how long it must have been lower before a node goes."""
ROOM: Final = 0.7
"""Part of the remaining nodes' strength that the demand may fill when one goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What an operator allows. `requests_per_min` is what one node takes."""

    min_nodes: int = 0
    max_nodes: int = 1
    requests_per_min: float = 60.0
    idle_s: float = 900.0
    cooldown_s: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What is remembered of one model: requests by minute since the epoch, oldest first; when it was last asked for (or
    first looked at), and when its count was last changed."""

    minutes: tuple[tuple[int, float], ...] = ()
    asked_s: float
    changed_s: float | None = None

    def encoded(self) -> bytes:
        """As it is kept where replicas share state."""
        fields = {"minutes": self.minutes, "asked_s": self.asked_s, "changed_s": self.changed_s}
        return json.dumps(fields, separators=(",", ":")).encode()

    @classmethod
    def decoded(cls, value: bytes) -> History:
        """Reads `encoded` back. Raises ValueError, KeyError or TypeError for anything else."""
        fields = json.loads(value)
        return cls(
            minutes=tuple((int(minute), float(count)) for minute, count in fields["minutes"]),
            asked_s=float(fields["asked_s"]),
            changed_s=None if fields["changed_s"] is None else float(fields["changed_s"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One change of a count, and why."""

    kind: Kind
    before: int
    nodes: int
    reason: str


def folded(history: History, count: float, now_s: float) -> History:
    """The history with `count` more requests, all taken to have come now."""
    minute = int(now_s // 60)
    counts = dict(history.minutes)
    if count > 0:
        counts[minute] = counts.get(minute, 0.0) + count
    kept = tuple(sorted(item for item in counts.items() if minute - KEPT_MINUTES <= item[0] <= minute))
    return History(minutes=kept, asked_s=now_s if count > 0 else history.asked_s, changed_s=history.changed_s)


def plan(bounds: Bounds, history: History, nodes: int, now_s: float) -> Action | None:
    """The change to make now to the count of wanted nodes, None for none."""
    if history.changed_s is not None and now_s - history.changed_s < bounds.cooldown_s:
        return None
    wanted, reason = _wanted(bounds, history, nodes, now_s)
    wanted = min(bounds.max_nodes, max(bounds.min_nodes, wanted))
    if wanted == nodes:
        return None
    kind: Kind = "deploy" if nodes == 0 else "retire" if wanted == 0 else "scale"
    return Action(kind=kind, before=nodes, nodes=wanted, reason=reason)


def _wanted(bounds: Bounds, history: History, nodes: int, now_s: float) -> tuple[int, str]:
    minute = int(now_s // 60)
    counts = dict(history.minutes)
    rate = max(counts.get(minute, 0.0), counts.get(minute - 1, 0.0))
    if (needed := math.ceil(rate / bounds.requests_per_min)) > nodes:
        return needed, f"{rate:g} requests a minute need {needed} nodes"
    if now_s - history.asked_s >= bounds.idle_s:
        return bounds.min_nodes, f"nobody asked for {bounds.idle_s:g} s"
    peak = max(counts.values(), default=0.0)
    if nodes > 1 and peak <= ROOM * (nodes - 1) * bounds.requests_per_min:
        return nodes - 1, f"at most {peak:g} requests a minute fit on {nodes - 1} nodes"
    return nodes, "outside the bounds"


def residency(wanted: int, running: int) -> str:
    """How the model stands, in a word."""
    if running < wanted:
        return "starting"
    if running > wanted:
        return "stopping"
    return "hot" if running else "cold"
