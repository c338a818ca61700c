"""Money spent per account and period in DynamoDB: each step is one conditional update, exact under concurrency.

Decides that an answer that got lost costs us rather than the limit: an update that DynamoDB may have made although the
call failed is never repeated, so what was set aside twice at worst stays set aside, and no limit is ever passed.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from router_core.adapters.aws.client import AwsThreads, store_errors
from router_core.adapters.dynamodb.faults import FAULTS
from router_core.adapters.system_clock import SystemClock
from router_core.errors import StaleStateError, StoreError
from router_core.ports import Clock

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

PREFIX: Final = "ledger#"
KEPT_S: Final = 400 * 86_400
"""How long after its last change an account's period is kept: a year and a month, for the bookkeeping."""
_CLOCK: Final = SystemClock()
_NAMES: Final = {"#spent": "spent", "#expires": "expires"}
_ADD: Final = "SET #expires = :expires ADD #spent :amount"
_SET: Final = "SET #expires = :expires, #spent = :amount"
_NONE: Final = "attribute_not_exists(#spent)"
_TRIES: Final = 3
"""How often giving back begins anew because the sum moved between its two steps."""


class DynamoLedger:
    """Ledger on a table with the string key `key`, shared with the state under a prefix of its own.

    One account's period is one item, which DynamoDB lets be written about a thousand times a second."""

    def __init__(
        self,
        client: DynamoDBClient,
        table: str,
        *,
        clock: Clock = _CLOCK,
        threads: AwsThreads | None = None,
    ) -> None:
        self._client, self._table, self._clock = client, table, clock
        self._threads = threads or AwsThreads()

    async def reserve(self, account: str, period: str, amount: int, limit: int) -> bool:
        """Set `amount` micro-USD aside, unless that would pass `limit`."""
        return await self._threads.run(self._reserve, account, period, amount, limit)

    async def settle(self, account: str, period: str, reserved: int, used: int) -> None:
        """Replace what was reserved by what was used; what was never reserved can't be given back, so never below 0."""
        await self._threads.run(self._settle, account, period, max(0, used) - max(0, reserved))

    async def spent(self, account: str, period: str) -> int:
        """Reserved and used together, by a consistent read."""
        return await self._threads.run(self._spent, account, period)

    async def close(self) -> None:
        """Wait for the calls that run."""
        await self._threads.close()

    def _reserve(self, account: str, period: str, amount: int, limit: int) -> bool:
        amount = max(0, amount)
        if amount > limit:
            return False
        try:
            self._update(account, period, _ADD, amount, f"{_NONE} OR #spent <= :bound", limit - amount)
        except StaleStateError:
            return False
        return True

    def _settle(self, account: str, period: str, more: int) -> None:
        if more >= 0:
            self._update(account, period, _ADD, more)
            return
        for _ in range(_TRIES):
            with suppress(StaleStateError):  # less is there than is given back
                return self._update(account, period, _ADD, more, "#spent >= :bound", -more)
            with suppress(StaleStateError):  # and now it is enough
                return self._update(account, period, _SET, 0, f"{_NONE} OR #spent < :bound", -more)
        raise StoreError("the ledger: the account changes too fast to be settled")

    def _update(
        self,
        account: str,
        period: str,
        change: str,
        amount: int,
        condition: str | None = None,
        bound: int = 0,
    ) -> None:
        """Raises `StaleStateError` when the condition, in which `bound` stands, does not hold."""
        expires = int(self._clock.now_s()) + KEPT_S
        values: dict[str, Any] = {":amount": {"N": str(amount)}, ":expires": {"N": str(expires)}}
        more: dict[str, Any] = {}
        if condition is not None:
            more["ConditionExpression"] = condition
            values[":bound"] = {"N": str(bound)}
        with store_errors("the ledger", FAULTS):
            self._client.update_item(
                TableName=self._table,
                Key=_key(account, period),
                UpdateExpression=change,
                ExpressionAttributeNames=_NAMES,
                ExpressionAttributeValues=values,
                **more,
            )

    def _spent(self, account: str, period: str) -> int:
        with store_errors("the ledger", FAULTS):
            item = self._client.get_item(
                TableName=self._table, Key=_key(account, period), ConsistentRead=True
            ).get("Item")
        return 0 if item is None else int(item["spent"]["N"])


def _key(account: str, period: str) -> dict[str, Any]:
    # The period first: it is ours and holds no `#`, so that no account's name can reach into another's key.
    return {"key": {"S": f"{PREFIX}{period}#{account}"}}
