"""How much of a model's quota is in use: Service Quotas says what the account may have, CloudWatch what it takes.

Decides nothing about requests: the share becomes the target's load, and a full quota is a busy target like any other. Other
callers of the account count in, because CloudWatch counts them; it is a minute or more behind, so a sudden burst still
meets throttling first. Quotas change rarely and are asked for once an hour.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from router_core.adapters.aws.client import COMMON_FAULTS, AwsThreads, Faults, store_errors
from router_core.errors import StoreError
from router_core.ports import HealthProbe, Reading

if TYPE_CHECKING:
    from types_boto3_service_quotas import ServiceQuotasClient

EVERY_S: Final = 3_600.0
AGAIN_S: Final = 60.0
BEDROCK: Final = "bedrock"
REQUESTS, TOKENS = "requests_per_min", "tokens_per_min"
_ABSENT: Final = "has no such quota"
FAULTS: Final[Faults] = {
    **COMMON_FAULTS,
    "NoSuchResourceException": (StoreError, _ABSENT),
    "IllegalArgumentException": (StoreError, "does not accept such a request"),
    "ServiceException": (StoreError, "failed by itself"),
    "TooManyRequestsException": (StoreError, "is throttled"),
}


class ServiceQuotas:
    """Quotas by code, on a thread."""

    def __init__(
        self, client: ServiceQuotasClient, *, service: str = BEDROCK, threads: AwsThreads | None = None
    ) -> None:
        self._client, self._service = client, service
        self._threads = threads or AwsThreads(workers=1, waiting=64)

    async def values(self, codes: Mapping[str, str]) -> dict[str, float]:
        """The account's own value of each quota, and AWS's default where it has none. Raises `StoreError`."""
        return await self._threads.run(lambda: {name: self._value(code) for name, code in codes.items()})

    async def close(self) -> None:
        """Wait for a call that runs."""
        await self._threads.close()

    def _value(self, code: str) -> float:
        given = {"ServiceCode": self._service, "QuotaCode": code}
        try:
            with store_errors("Service Quotas", FAULTS):
                answer = self._client.get_service_quota(**given)
        except StoreError as error:
            if _ABSENT not in str(error):
                raise
            with store_errors("Service Quotas", FAULTS):
                return self._client.get_aws_default_service_quota(**given)["Quota"]["Value"]
        return answer["Quota"]["Value"]


class QuotaProbe:
    """`HealthProbe` that adds the used share of the quotas to what another one sees. `codes` are by `requests_per_min` and
    `tokens_per_min`. While Service Quotas does not answer, the values it gave last count, or none."""

    def __init__(
        self,
        inner: HealthProbe,
        quotas: ServiceQuotas,
        codes: Mapping[str, str],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inner, self._quotas, self._codes = inner, quotas, codes
        self._monotonic = monotonic
        self._values: Mapping[str, float] = {}
        self._next_s = float("-inf")

    async def probe(self) -> Reading:
        """Never raises."""
        reading = await self._inner.probe()
        await self._refresh()
        taken = {REQUESTS: reading.requests_per_min or 0.0, TOKENS: reading.tokens_per_min or 0.0}
        shares = [taken[name] / value for name, value in self._values.items() if value > 0]
        if not shares:
            return reading
        share = max(shares)
        said = f"{reading.detail}, {share:.0%} of its quota"
        return replace(reading, load=max(share, reading.load or 0.0), detail=said)

    async def _refresh(self) -> None:
        now = self._monotonic()
        if now < self._next_s:
            return
        self._next_s = now + AGAIN_S
        try:
            self._values = await self._quotas.values(self._codes)
        except StoreError:
            return
        self._next_s = now + EVERY_S
