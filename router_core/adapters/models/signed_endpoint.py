"""Signed POSTs to one resource of an AWS runtime service: what Bedrock's and SageMaker's adapters have in common."""

from __future__ import annotations

import re
from typing import Any, Final

from router_core.adapters.models.http_pool import HttpPool
from router_core.adapters.models.sigv4 import Credentials, Signer
from router_core.adapters.wire.aws_errors import answer_error
from router_core.adapters.wire.http_stream import HttpStream
from router_core.adapters.wire.openai_wire import load
from router_core.errors import ConfigurationError, UnavailableError

_REGION: Final = re.compile(r"[a-z]{2,4}(?:-[a-z]{2,12})+-\d{1,2}")
_MAX_STREAM_BYTES: Final = 64 * 1024 * 1024


def service_url(host: str, region: str) -> str:
    """The address of a service in a region, `host` being such as `bedrock-runtime`. Raises `ConfigurationError` for
    what cannot be a region."""
    if not _REGION.fullmatch(region):
        raise ConfigurationError("a target names a region that cannot exist")
    suffix = ".cn" if region.startswith("cn-") else ""
    return f"https://{host}.{region}.amazonaws.com{suffix}"


class SignedEndpoint:
    """`path` is the resource, percent-encoded; operations are appended to it."""

    def __init__(self, pool: HttpPool, path: str, signer: Signer, credentials: Credentials) -> None:
        self._pool = pool
        self._path = pool.origin.path + path
        self._signer = signer
        self._credentials = credentials

    async def post(self, operation: str, data: bytes, timeout_s: float) -> dict[str, Any]:
        """The whole answer, decoded. Raises `TargetError`s alone."""
        path = f"{self._path}/{operation}"
        headers = self._signer.headers(await self._credentials(), path, data)
        reply = await self._pool.request("POST", path, headers, data, timeout_s=timeout_s)
        if reply.status != 200:
            raise answer_error(reply.status, reply.headers, reply.body)
        return load(reply.body)

    async def open(self, operation: str, data: bytes, timeout_s: float) -> HttpStream:
        """A stream of frames; any other answer is an error."""
        path = f"{self._path}/{operation}"
        headers = self._signer.headers(await self._credentials(), path, data)
        reply = await self._pool.stream(
            "POST", path, headers, data, timeout_s=timeout_s, max_bytes=_MAX_STREAM_BYTES
        )
        if reply.status == 200 and b"eventstream" in reply.headers.get(b"content-type", b""):
            return reply
        async with reply:
            told = await reply.told()
        if reply.status != 200:
            raise answer_error(reply.status, reply.headers, told)
        raise UnavailableError("the target did not answer with a stream")
