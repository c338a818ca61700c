"""The only way from the client to the network: one gateway, its key, and what is learned of the line by using it.

Every failure becomes one of the client's typed errors here. What stays on the device never gets hold of this object.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from edge_runtime.network import NetworkWatch, tcp_round_trip_ms
from edge_runtime.sdk.errors import (
    ClientError,
    DeclinedError,
    GatewayError,
    OfflineError,
    OverBudgetError,
    SlowError,
)
from router_core.adapters.models.http_pool import HttpPool, Reply
from router_core.adapters.wire.http_stream import HttpStream
from router_core.adapters.wire.http_wire import encode_headers
from router_core.adapters.wire.openai_sse import EventReader
from router_core.errors import TargetError, TimeoutTargetError

IDLE_S: Final = 30.0
_SLOW_STATUS: Final = 504
_SMALL_ANSWER: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One answer of the gateway; `body` is parsed JSON, None without one."""

    status: int
    body: Any
    raw: bytes
    etag: str | None
    retry_after_s: float | None


class GatewayLink:
    """One gateway. `key` is the device's bearer key; it is sent to this origin alone."""

    def __init__(
        self, url: str, key: str | None, watch: NetworkWatch, tls: ssl.SSLContext | None = None
    ) -> None:
        self._url, self._tls = url, tls
        self._pool: HttpPool | None = None
        self._watch = watch
        bearer = {"authorization": f"Bearer {key}"} if key else {}
        self._plain = encode_headers(bearer)
        self._json = {**bearer, "content-type": "application/json"}

    async def fetch(self, path: str, *, timeout_s: float, etag: str | None = None) -> Said:
        """GET; 304 is an answer like any other. Raises `ClientError`."""
        headers = self._plain if etag is None else self._plain + encode_headers({"if-none-match": etag})
        return await self._call("GET", path, headers, None, timeout_s)

    async def send(
        self, path: str, body: Mapping[str, Any], *, timeout_s: float, idempotency_key: str | None = None
    ) -> Said:
        """POST. Raises `ClientError` for whatever is not a 2xx."""
        headers = (
            self._json if idempotency_key is None else {**self._json, "idempotency-key": idempotency_key}
        )
        said = await self._call("POST", path, encode_headers(headers), json.dumps(body).encode(), timeout_s)
        if not 200 <= said.status < 300:
            raise refusal(said)
        return said

    async def events(
        self, path: str, body: Mapping[str, Any], *, timeout_s: float
    ) -> AsyncGenerator[dict[str, Any], None]:
        """The data of a server-sent stream; `timeout_s` until it begins. Closing it stops the work at the gateway."""
        content = json.dumps(body).encode()
        try:
            async with await self._connected().stream(
                "POST", self._path(path), self._json, content, timeout_s=timeout_s
            ) as reply:
                if reply.status != 200:
                    raw = await reply.read_all(IDLE_S, 65_536)
                    raise refusal(_said(reply.status, reply.headers, raw))
                async for event in _events(reply):
                    yield event
        except TargetError as error:
            raise self._failed(error) from error

    async def close(self) -> None:
        """Drop the connections."""
        if self._pool is not None:
            await self._pool.aclose()

    async def _call(
        self, method: str, path: str, headers: bytes, content: bytes | None, timeout_s: float
    ) -> Said:
        now = asyncio.get_running_loop().time
        began = now()
        try:
            reply: Reply = await self._connected().request(
                method, self._path(path), headers, content, timeout_s=timeout_s, max_bytes=_SMALL_ANSWER * 4
            )
        except TargetError as error:
            raise self._failed(error) from error
        if path.startswith("/device/") or len(reply.body) > _SMALL_ANSWER:
            size_bytes = len(reply.body) + len(content or b"")
            self._watch.exchanged(size_bytes, now() - began, self._round_trip_ms())
        else:
            self._watch.answered(self._round_trip_ms())
        return _said(reply.status, reply.headers, reply.body)

    def _connected(self) -> HttpPool:
        """Made on first use, because a pool belongs to the loop it runs on."""
        if self._pool is None:
            self._pool = HttpPool(self._url, max_connections=8, tls=self._tls)
        return self._pool

    def _round_trip_ms(self) -> float | None:
        """How long a call takes says more of the model than of the line, so the kernel is asked."""
        return tcp_round_trip_ms(self._connected().socket)

    def _path(self, path: str) -> str:
        return self._connected().origin.path + path

    def _failed(self, error: TargetError) -> ClientError:
        slow = isinstance(error, TimeoutTargetError)
        connected = slow and "accept a connection" not in str(error)
        self._watch.failed(lost=slow)
        if connected:
            return SlowError("the gateway did not answer in time")
        return OfflineError("the gateway cannot be reached")


async def _events(reply: HttpStream) -> AsyncGenerator[dict[str, Any], None]:
    reader = EventReader()
    while piece := await reply.read(IDLE_S):
        for data in reader.feed(piece):
            yield json.loads(data)
    reply.finish()


def refusal(said: Said) -> ClientError:
    """What a status of the gateway means for the app."""
    problem = said.body if isinstance(said.body, dict) else {}
    detail = str(problem.get("detail") or f"the gateway answered {said.status}")
    told = problem.get("rejected")
    rejected: Mapping[str, str] = told if isinstance(told, dict) else {}
    kind: type[ClientError] = DeclinedError
    if said.status == _SLOW_STATUS or _all(rejected, "deadline"):
        kind = SlowError
    elif _any(rejected, "budget"):
        kind = OverBudgetError
    elif said.status in (408, 425, 429) or said.status >= 500:
        kind = GatewayError
    return kind(detail, rejected=rejected)


def _any(rejected: Mapping[str, str], word: str) -> bool:
    return any(reason.startswith(word) for reason in rejected.values())


def _all(rejected: Mapping[str, str], word: str) -> bool:
    return bool(rejected) and all(reason.startswith(word) for reason in rejected.values())


def _said(status: int, headers: Mapping[bytes, bytes], raw: bytes) -> Said:
    try:
        body = json.loads(raw) if raw else None
    except ValueError:
        body = None
    etag, after = headers.get(b"etag"), headers.get(b"retry-after", b"")
    return Said(
        status=status,
        body=body,
        raw=raw,
        etag=None if etag is None else etag.decode("latin-1"),
        retry_after_s=float(after) if after.isdigit() else None,
    )
