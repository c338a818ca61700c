"""What thinking may cost in a day: set aside before a model is asked, for everybody and for the tenant.

Exact under concurrency because the ledger is. A ledger that can't be reached means that nobody is asked: a cap that gives way
when its keeper is away is none.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Final

from router_core.errors import StoreError
from router_core.policy.deliberation import DeliberationLimits
from router_core.ports import Clock, Ledger
from router_core.record import dataclass

EVERYBODY: Final = "deliberation"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAside:
    """Micro-USD reserved for one question, on the account of everybody and of the tenant."""

    tenant: str
    period: str
    amount: int


class Spending:
    """The caps, for all that share the ledger; where each of several workers has its own, each has a `share` of the caps."""

    def __init__(self, ledger: Ledger, clock: Clock, share: float = 1.0) -> None:
        self._ledger, self._now, self._share = ledger, clock.now_s, share

    async def reserve(self, tenant: str, usd: float, limits: DeliberationLimits) -> SetAside | None:
        """Set so much aside, None where that would pass a cap or where nobody can tell."""
        amount, period = math.ceil(usd * 1e6), datetime.fromtimestamp(self._now(), UTC).date().isoformat()
        aside = SetAside(tenant=tenant, period=period, amount=amount)
        try:
            if not await self._ledger.reserve(EVERYBODY, period, amount, self._cap(limits.usd_per_day)):
                return None
            if await self._ledger.reserve(
                _account(tenant), period, amount, self._cap(limits.tenant_usd_per_day)
            ):
                return aside
            await self._ledger.settle(EVERYBODY, period, amount, 0)
        except StoreError:
            pass
        return None

    def _cap(self, usd: float) -> int:
        return math.floor(usd * self._share * 1e6)

    async def settle(self, aside: SetAside, usd: float) -> bool:
        """Replace what was set aside by what was used; False where the ledger could not be told: it then counts
        as spent."""
        used = math.ceil(usd * 1e6)
        try:
            await self._ledger.settle(EVERYBODY, aside.period, aside.amount, used)
            await self._ledger.settle(_account(aside.tenant), aside.period, aside.amount, used)
        except StoreError:
            return False
        return True


def _account(tenant: str) -> str:
    return f"{EVERYBODY}:{tenant}"
