"""Spent money in this process: exact for one worker, forgotten when it ends."""

from __future__ import annotations

from collections import OrderedDict


class MemoryLedger:
    """Ledger in memory. Never raises `StoreError`. Bounded: the account and period touched longest ago goes first."""

    def __init__(self, *, max_accounts: int = 100_000) -> None:
        self._max_accounts = max_accounts
        self._spent: OrderedDict[tuple[str, str], int] = OrderedDict()

    async def reserve(self, account: str, period: str, amount: int, limit: int) -> bool:
        """Set `amount` aside, or nothing when that would pass `limit`."""
        amount = max(0, amount)
        spent = self._spent.get((account, period), 0)
        if spent + amount > limit:
            return False
        self._keep(account, period, spent + amount)
        return True

    async def settle(self, account: str, period: str, reserved: int, used: int) -> None:
        """Replace what was reserved by what was used."""
        spent = self._spent.get((account, period), 0)
        self._keep(account, period, max(0, spent + max(0, used) - max(0, reserved)))

    async def spent(self, account: str, period: str) -> int:
        """Reserved and used together."""
        return self._spent.get((account, period), 0)

    def _keep(self, account: str, period: str, spent: int) -> None:
        self._spent[account, period] = spent
        self._spent.move_to_end((account, period))
        if len(self._spent) > self._max_accounts:
            self._spent.popitem(last=False)
