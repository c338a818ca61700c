"""AWS Signature Version 4 for requests with a JSON body, by hand: 20 us where the SDK's client costs over a millisecond.

Source: "Create a signed AWS API request" in the IAM user guide. The tests compare every signature with botocore's.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import field
from datetime import UTC, datetime
from urllib.parse import quote

from router_core.adapters.wire.http_wire import encode_headers
from router_core.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsKeys:
    """An access key; temporary ones have a session token."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


Credentials = Callable[[], Awaitable[AwsKeys]]
"""Gives the keys of the moment, without blocking the event loop. Raises core errors alone."""


def static_credentials(keys: AwsKeys) -> Credentials:
    """Keys that never change."""

    async def give() -> AwsKeys:
        return keys

    return give


class Signer:
    """Signs POST requests of one service in one region for one host; the day's key is derived once."""

    def __init__(self, *, region: str, service: str, host: str) -> None:
        self._region = region
        self._service = service
        self._host = host
        self._derived: tuple[str, AwsKeys, bytes] | None = None

    def headers(self, keys: AwsKeys, path: str, body: bytes, now: datetime | None = None) -> bytes:
        """Encoded headers that sign `body` for `path` (already percent-encoded once, without query) at `now` (UTC)."""
        stamp = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
        token = keys.session_token
        signed = "content-type;host;x-amz-date" + (";x-amz-security-token" if token else "")
        lines = f"content-type:application/json\nhost:{self._host}\nx-amz-date:{stamp}\n"
        if token:
            lines += f"x-amz-security-token:{token}\n"
        # Every service but S3 encodes the path once more for the signature.
        canonical = (
            f"POST\n{quote(path, safe='/-_.~')}\n\n{lines}\n{signed}\n{hashlib.sha256(body).hexdigest()}"
        )
        scope = f"{stamp[:8]}/{self._region}/{self._service}/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        signature = hmac.digest(self._key(stamp[:8], keys), text.encode(), "sha256").hex()
        headers = {
            "content-type": "application/json",
            "x-amz-date": stamp,
            "authorization": f"AWS4-HMAC-SHA256 Credential={keys.access_key_id}/{scope}, "
            f"SignedHeaders={signed}, Signature={signature}",
        }
        if token:
            headers["x-amz-security-token"] = token
        return encode_headers(headers)

    def _key(self, day: str, keys: AwsKeys) -> bytes:
        derived = self._derived
        if derived is not None and derived[0] == day and derived[1] is keys:
            return derived[2]
        key = b"AWS4" + keys.secret_access_key.encode()
        for part in (day, self._region, self._service, "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        self._derived = (day, keys, key)
        return key
