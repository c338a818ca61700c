"""Who is asking: a bearer key, looked up by its digest.

Only digests are held, so that a heap dump or a log of the key table gives nobody a key. The lookup is by digest and
therefore takes no longer for a key that shares a prefix with a real one.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Final

from gateway.http.refusals import UnauthorizedError
from router_core.inference import TIERS, Caller
from router_core.record import dataclass

_LONGEST_KEY: Final = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """One key as settings describe it. `digest` is the SHA-256 of the secret; limits None mean unlimited."""

    id: str
    tenant: str
    digest: bytes
    role: str = "user"
    requests_per_min: int | None = None
    tokens_per_min: int | None = None
    tiers: tuple[str, ...] = TIERS


def digest_of(secret: str) -> bytes:
    """What is stored of a key. Keys are random and long, so a plain digest cannot be searched back."""
    return sha256(secret.encode()).digest()


class KeyRing:
    """All keys that open the gateway."""

    def __init__(self, records: Iterable[KeyRecord]) -> None:
        self._callers: Mapping[bytes, tuple[bytes, Caller]] = {}
        self.replace(records)

    def replace(self, records: Iterable[KeyRecord]) -> None:
        """These keys and no others, from the next request on; swapped whole, so that any thread may do it."""
        self._callers = {
            record.digest: (
                record.digest,
                Caller(tenant=record.tenant, key_id=record.id, role=record.role, tiers=record.tiers),
            )
            for record in records
        }

    def caller(self, authorization: bytes | None) -> Caller:
        """The owner of the key in an `Authorization` header; raises UnauthorizedError."""
        if authorization is None:
            raise UnauthorizedError("send your key as `Authorization: Bearer ...`")
        scheme, _, secret = authorization.partition(b" ")
        secret = secret.strip()
        if scheme.lower() != b"bearer" or not 0 < len(secret) <= _LONGEST_KEY:
            raise UnauthorizedError("the Authorization header holds no bearer key")
        digest = sha256(secret).digest()
        known = self._callers.get(digest)
        if known is None or not hmac.compare_digest(known[0], digest):
            raise UnauthorizedError("this key is not known")
        return known[1]
