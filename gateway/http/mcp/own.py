"""What a key may know of itself and of what it may use: its tenant's newest decisions, and the prices of its targets.

Decisions are remembered as they pass by on their way to the event log, a few words of each: searching the log for every question
of a tenant would let one tenant keep the disk busy. They are those of this worker since it started.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final
from urllib.parse import parse_qsl

from gateway.http import answers
from gateway.http.exchange import Exchange
from router_core.errors import RequestError
from router_core.ports import EventSink, RateLimiter
from router_core.resources import TargetSpec

REMEMBERED: Final = 4096
MOST: Final = 50
USUAL: Final = 10
_FIELDS: Final[Mapping[str, tuple[str, ...] | None]] = {
    "class": ("simple", "complex", "critical", "batch"),
    "tier": ("device", "mec", "cloud"),
    "limit": None,
}
_KEPT: Final = ("request_id", "time", "class", "chosen", "tier", "confidence", "decided_by", "policy")
_kept_of: Final = itemgetter(*_KEPT)


class Remembered:
    """`EventSink` in front of another: passes every record on, and keeps a little of decisions."""

    def __init__(self, events: EventSink) -> None:
        self._events = events
        self._kept: deque[tuple[str, tuple[Any, ...]]] = deque(maxlen=REMEMBERED)

    @property
    def dropped(self) -> int:
        """Of the sink behind."""
        return getattr(self._events, "dropped", 0)

    def emit(self, record: Mapping[str, Any]) -> None:
        """Pass on; keep a decision."""
        self._events.emit(record)
        if record.get("kind") == "decision" and record.get("chosen") is not None:
            self._kept.append((record["tenant"], _kept_of(record)))

    async def close(self) -> None:
        """The sink behind."""
        await self._events.close()

    def newest(self, tenant: str, where: Mapping[str, str], limit: int) -> list[dict[str, Any]]:
        """The tenant's own, newest first."""
        found: list[dict[str, Any]] = []
        for owner, values in reversed(self._kept):
            told = dict(zip(_KEPT, values, strict=True))
            if owner == tenant and all(told[name] == value for name, value in where.items()):
                found.append(told)
                if len(found) >= limit:
                    break
        return found


class OwnRoutes:
    """`GET /decisions` and `GET /prices`."""

    def __init__(
        self,
        newest: Callable[[str, Mapping[str, str], int], Sequence[Mapping[str, Any]]],
        catalogue: Sequence[TargetSpec],
        limiter: RateLimiter,
    ) -> None:
        self._newest, self._catalogue, self._limiter = newest, catalogue, limiter

    async def decisions(self, exchange: Exchange) -> None:
        """The newest decisions of the caller's tenant."""
        exchange.check_small()
        where = _query(exchange)
        limit = int(where.pop("limit", str(USUAL)))
        await self._limiter.admit(exchange.known.key_id, 0)
        found = self._newest(exchange.known.tenant, where, limit)
        await exchange.reply(200, [answers.JSON_TYPE], answers.encode({"decisions": list(found)}))

    async def prices(self, exchange: Exchange) -> None:
        """What the targets cost that this key may use."""
        exchange.check_small()
        await self._limiter.admit(exchange.known.key_id, 0)
        told = [
            {
                "target": one.name,
                "tier": one.tier,
                "model": one.model,
                "in": one.price_in,
                "out": one.price_out,
            }
            for one in self._catalogue
            if one.tier in exchange.known.tiers
        ]
        body = {"unit": "USD per million tokens", "prices": told}
        await exchange.reply(200, [answers.JSON_TYPE], answers.encode(body))


def _query(exchange: Exchange) -> dict[str, str]:
    """The named fields of the query. Raises `RequestError`."""
    pairs = parse_qsl(exchange.scope.get("query_string", b"").decode("latin-1"), max_num_fields=8)
    found = dict(pairs)
    if len(found) != len(pairs) or found.keys() - _FIELDS.keys():
        raise RequestError(f"the query may hold {', '.join(_FIELDS)}, each once")
    for name, value in found.items():
        words = _FIELDS[name]
        if words is not None and value not in words:
            raise RequestError(f"{name} must be one of {', '.join(words)}", field=name)
    limit = found.get("limit", "1")
    if not (limit.isascii() and limit.isdigit() and len(limit) < 4 and 1 <= int(limit) <= MOST):
        raise RequestError(f"limit must be 1 to {MOST}", field="limit")
    return found
