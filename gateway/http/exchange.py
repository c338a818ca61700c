"""One HTTP request and its answer, as the handlers see them.

It exists so that handlers neither parse headers twice nor know ASGI messages, and so that a client that leaves stops
the work: a watcher is started only for requests that take longer than `_WATCH_AFTER_S`, because most do not.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, MutableMapping
from typing import TYPE_CHECKING, Any, Final

from gateway.http.refusals import ClientLeftError, MediaTypeError, SlowBodyError
from router_core.errors import RequestError, TooLargeError
from router_core.inference import Caller

if TYPE_CHECKING:  # a Lambda function serves these paths without the framework
    from starlette.types import Message, Receive, Scope, Send

Headers = list[tuple[bytes, bytes]]

_WATCH_AFTER_S: Final = 0.05
_LINGER_S: Final = 0.04
_SMALL_UNREAD_BYTES: Final = 64 * 1024
_JSON_TYPES: Final = (
    b"application/json",
    b"application/json; charset=utf-8",
    b"application/json;charset=utf-8",
)
_WANTED: Final = frozenset(
    (
        b"authorization",
        b"content-type",
        b"content-length",
        b"transfer-encoding",
        b"idempotency-key",
        b"cache-control",
        b"x-tierwise-provider-key",
    )
)
PROVIDER_KEY: Final = b"x-tierwise-provider-key"
"""A caller's own key for the provider that the request names."""


WHOLE: Final = "tierwise.whole"
"""Where in the scope a server may leave `write(status, headers, body) -> bool`, which sends a whole answer at once."""


class Exchange:
    """Request in, answer out, for one request. Not shared between requests and not reused."""

    __slots__ = ("_body_read", "_late", "_left", "_receive", "_send", "_timer", "_watcher", "caller", "headers",
                 "method", "path", "request_id", "scope", "started")  # fmt: skip

    def __init__(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        self.scope: MutableMapping[str, Any] = scope
        self.path: str = scope["path"]
        self.method: str = scope["method"]
        self.request_id = request_id
        self.caller: Caller | None = None
        self.started = False
        self.headers: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            if name in _WANTED:
                # A second Authorization or Content-Length would let two readers see two requests.
                self.headers[name] = value if name not in self.headers else b"\x00"
        self._receive = receive
        self._send = send
        self._body_read = False
        # None while the body is in time, False once it is slow, True when it was given up.
        self._late: bool | None = None
        self._left = False
        self._timer: asyncio.TimerHandle | None = None
        self._watcher: asyncio.Task[None] | None = None

    @property
    def no_store(self) -> bool:
        """Whether the caller wants a fresh answer: `cache-control: no-cache` or `no-store`."""
        wish = self.headers.get(b"cache-control")
        return wish is not None and (b"no-cache" in wish or b"no-store" in wish)

    @property
    def openai(self) -> bool:
        """Whether errors speak OpenAI's dialect here."""
        return self.path.startswith("/v1/")

    @property
    def known(self) -> Caller:
        """The authenticated caller; the gate sets it before any handler runs."""
        assert self.caller is not None, "the gate lets nobody pass without a caller"  # noqa: S101 - an invariant
        return self.caller

    # ---- in ----------------------------------------------------------------------------------------------------------

    async def read_json(self, limit: int, timeout_s: float) -> bytes:
        """The whole body, at most `limit` bytes, arrived within `timeout_s`; then starts to watch for the client
        leaving. Raises MediaTypeError, TooLargeError, SlowBodyError, ClientLeftError."""
        kind = self.headers.get(b"content-type")
        if kind is not None and kind not in _JSON_TYPES:
            _check_media_type(kind)
        if self._announced() > limit:
            raise TooLargeError(f"the body is larger than {limit} bytes")
        worker = asyncio.current_task()
        assert worker is not None, "a request is handled in a task"  # noqa: S101 - an invariant of ASGI servers
        # One timer serves both: a body that is slow to arrive, and a client that may leave while it waits.
        self._timer = asyncio.get_running_loop().call_later(_WATCH_AFTER_S, self._slow, worker, timeout_s)
        try:
            body = await self._body(limit)
        except asyncio.CancelledError:
            if not self._late:
                raise
            _uncancel()
            raise SlowBodyError(f"the body did not arrive within {timeout_s:g} s") from None
        self._body_read = True
        if self._late is not None:
            self._timer.cancel()
            self._watch(worker)
        return body

    async def pieces(self, limit: int, patience_s: float) -> AsyncGenerator[bytes, None]:
        """The body as it arrives, at most `limit` bytes of it, for what is too large to be held. Raises TooLargeError,
        SlowBodyError when nothing comes for `patience_s`, ClientLeftError."""
        if self._announced() > limit:
            raise TooLargeError(f"the body is larger than {limit} bytes")
        size, more = 0, True
        while more:
            try:
                message = await asyncio.wait_for(self._next(), patience_s)
            except TimeoutError:
                raise SlowBodyError(f"nothing arrived for {patience_s:g} s") from None
            more, piece = message.get("more_body", False), message.get("body", b"")
            size += len(piece)
            if size > limit:
                raise TooLargeError(f"the body is larger than {limit} bytes")
            yield piece
        self._body_read = True

    def check_small(self) -> None:
        """For handlers that read bodies their own way: raises TooLargeError unless the body is known to be small."""
        if self._much_unread():
            raise TooLargeError("this path takes small bodies with a content-length")

    def _announced(self) -> int:
        length = self.headers.get(b"content-length", b"0")
        if not (length.isascii() and length.isdigit()):
            raise RequestError("content-length is not a number")
        return int(length[:20])

    async def _body(self, limit: int) -> bytes:
        message = await self._receive()
        first: bytes = message.get("body", b"")
        more = message.get("more_body", False)
        if not more and len(first) <= limit and message["type"] == "http.request":
            return first
        if message["type"] == "http.disconnect":
            raise ClientLeftError
        parts, size = [first], len(first)
        while more and size <= limit:
            message = await self._next()
            more = message.get("more_body", False)
            parts.append(message.get("body", b""))
            size += len(parts[-1])
        if size > limit:
            raise TooLargeError(f"the body is larger than {limit} bytes")
        return b"".join(parts)

    async def _next(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientLeftError
        return message

    # ---- the client leaves -------------------------------------------------------------------------------------------

    def _slow(self, worker: asyncio.Task[Any], timeout_s: float) -> None:
        """The request has taken a while: from now on somebody looks whether the client is still there."""
        if self._body_read:
            self._watch(worker)
            return
        self._late = False
        self._timer = asyncio.get_running_loop().call_later(timeout_s - _WATCH_AFTER_S, self._give_up, worker)

    def _give_up(self, worker: asyncio.Task[Any]) -> None:
        self._late = True
        worker.cancel()

    def _watch(self, worker: asyncio.Task[Any]) -> None:
        self._timer = None
        self._watcher = asyncio.get_running_loop().create_task(self._until_left(worker))

    async def _until_left(self, worker: asyncio.Task[Any]) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._left = True
        worker.cancel()

    def uncancel(self) -> None:
        """The cancellation that was caught is answered; the task goes on."""
        _uncancel()

    def absorbs_cancellation(self) -> bool:
        """Called when the handler was cancelled: True when that was because the client left, and it ends there."""
        if self._left:
            _uncancel()
        return self._left

    def end(self) -> None:
        """Stops watching for the client leaving."""
        if self._timer is not None:
            self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()

    # ---- out ---------------------------------------------------------------------------------------------------------

    async def reply(self, status: int, headers: Headers, body: bytes) -> None:
        """A whole answer. Adds the request id and the length, and closes the connection when much is unread."""
        headers.append((b"x-tierwise-request-id", self.request_id.encode()))
        if status != 204:
            headers.append((b"content-length", b"%d" % len(body)))
        linger = not self._body_read and self._much_unread()
        if linger:
            headers.append((b"connection", b"close"))
        self.started = True
        write_whole = self.scope.get(WHOLE)
        if write_whole is not None and not linger and write_whole(status, headers, body):
            self.end()
            return
        self.end()  # the server reports a finished answer as a disconnect, too
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        if linger:
            # Closing at once, with the client still writing, resets the connection, and a reset can overtake the answer.
            await self._send({"type": "http.response.body", "body": body, "more_body": True})
            await asyncio.sleep(_LINGER_S)
            body = b""
        await self._send({"type": "http.response.body", "body": body})

    async def replay(self, status: int, headers: Headers, body: bytes) -> None:
        """An answer given before, under the id it was given with."""
        self.end()
        replayed = (b"idempotency-replayed", b"true")
        length = (b"content-length", b"%d" % len(body))
        head = {"type": "http.response.start", "status": status, "headers": [*headers, replayed, length]}
        self.started = True
        await self._send(head)
        await self._send({"type": "http.response.body", "body": body})

    def _much_unread(self) -> bool:
        length = self.headers.get(b"content-length", b"0")
        small = length.isdigit() and int(length[:20]) <= _SMALL_UNREAD_BYTES
        return b"transfer-encoding" in self.headers or not small

    async def start(self, headers: Headers) -> None:
        """The head of an answer that is sent in parts, its length not known."""
        self.started = True
        full = [*headers, (b"x-tierwise-request-id", self.request_id.encode())]
        await self._send({"type": "http.response.start", "status": 200, "headers": full})

    async def start_stream(self, headers: Headers) -> None:
        """The head of a stream of server-sent events."""
        await self.start([*headers, *_STREAM_HEADERS])

    async def write(self, part: bytes) -> None:
        """A part of a stream. Waits when the client reads slower than we write."""
        await self._send({"type": "http.response.body", "body": part, "more_body": True})

    async def finish(self, part: bytes = b"") -> None:
        """The last part of a stream."""
        self.end()
        await self._send({"type": "http.response.body", "body": part})


_STREAM_HEADERS: Final = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    # A proxy that buffers would turn a stream into one late block.
    (b"x-accel-buffering", b"no"),
)


def _check_media_type(kind: bytes) -> None:
    """Accepts `application/json` with or without `charset=utf-8`, whatever the case and spacing."""
    name, _, parameters = kind.lower().partition(b";")
    if name.strip() != b"application/json":
        raise MediaTypeError("send JSON with `content-type: application/json`")
    for parameter in parameters.split(b";"):
        key, _, value = parameter.strip().partition(b"=")
        if key == b"charset" and value.strip(b'" ') not in (b"utf-8", b"utf8"):
            raise MediaTypeError("JSON is UTF-8")


def _uncancel() -> None:
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()
