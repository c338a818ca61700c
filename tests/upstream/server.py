"""A model server over a bare socket that plays scripted faults and records what reached it and who hung up.

    with FaultServer() as upstream:
        upstream.next(Fault(kind="cut_after", tokens=5), Fault(kind="status", status=429, retry_after="1"))
        ... point an OpenAI client at upstream.base_url, a Bedrock client at upstream.url ...

It runs in a thread with an event loop of its own, so that synchronous and asynchronous tests may use it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

from tests.upstream.bedrock_wire import bedrock_answer
from tests.upstream.faults import Answer, Exchange, Fault
from tests.upstream.google_wire import google_answer
from tests.upstream.openai_wire import embeddings_answer, openai_answer
from tests.upstream.play import After, Connection, play, play_json
from tests.upstream.sagemaker_wire import sagemaker_answer

__all__ = ["Exchange", "Fault", "FaultServer", "refusing_url"]

_ORDINARY = Fault()
_MODELS = ("test-model", "llama-3.1-8b")


@contextlib.contextmanager
def refusing_url() -> Iterator[str]:
    """The address of a port where every connection is refused; it stays reserved inside the block."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{reserved.getsockname()[1]}"


class FaultServer:
    """Serves queued faults in order; with none queued it plays `default`, at first an ordinary answer.

    Only generation and embedding requests take a fault. Probes (`/health`, `/v1/models`, `/metrics`) are
    answered 200 while `healthy`, otherwise 503, and are not recorded.
    """

    def __init__(self, *, length: int = 10, models: tuple[str, ...] = _MODELS) -> None:
        self.length = length
        self.models = models
        self.default = Fault()
        self.healthy = True
        self.requests: list[Exchange] = []
        self.probes = 0
        self._queue: deque[Fault] = deque()
        self._changed = threading.Condition()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._port = 0
        self._stopped = asyncio.Event()
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Root address, for a Bedrock client."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def base_url(self) -> str:
        """Address for an OpenAI client."""
        return f"{self.url}/v1"

    @property
    def closed_at(self) -> float | None:
        """When a client last hung up before its answer was complete (`time.monotonic()`), or None."""
        return max((one.closed_at for one in self.requests if one.closed_at is not None), default=None)

    def begin(self, *faults: Fault, default: Fault = _ORDINARY) -> None:
        """Forget what was queued; play `faults`, then `default`."""
        self._queue.clear()
        self._queue.extend(faults)
        self.default = default

    def next(self, *faults: Fault) -> None:
        """Queue faults for the requests to come."""
        self._queue.extend(faults)

    def wait_until(self, condition: Callable[[FaultServer], object], timeout_s: float = 5.0) -> bool:
        """Block until `condition(self)` holds; False when the time is up. From async tests: in a thread."""
        with self._changed:
            return bool(self._changed.wait_for(lambda: condition(self), timeout_s))

    def wait_closed(self, timeout_s: float = 5.0) -> bool:
        """Block until a client has hung up on an unfinished answer."""
        return self.wait_until(lambda server: server.closed_at is not None, timeout_s)

    def __enter__(self) -> FaultServer:
        listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        # Accepted sockets inherit this; asyncio does not set it on a socket without a named protocol.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._port = listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, args=(listener,), daemon=True)
        self._thread.start()
        self.wait_until(lambda server: server._loop is not None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._stopped.set)
            self._thread.join()

    async def __aenter__(self) -> FaultServer:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.__exit__, kind, error, trace)

    def _run(self, listener: socket.socket) -> None:
        asyncio.run(self._main(listener))

    async def _main(self, listener: socket.socket) -> None:
        server = await asyncio.start_server(self._accept, sock=listener, limit=64 * 1024 * 1024)
        self._notify(loop=asyncio.get_running_loop())
        await self._stopped.wait()
        server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _notify(self, *, loop: asyncio.AbstractEventLoop | None = None) -> None:
        with self._changed:
            self._loop = loop or self._loop
            self._changed.notify_all()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection. One byte is always being awaited: its absence shows that the client left."""
        connection = Connection(writer)
        pending = asyncio.ensure_future(reader.read(1))
        try:
            while first := await pending:
                exchange = await self._read(reader, first)
                pending = asyncio.ensure_future(reader.read(1))
                after = await self._answer(connection, exchange, pending)
                if after != "keep":
                    await connection.leave(after)
                    return
        except (ConnectionError, asyncio.IncompleteReadError, EOFError):
            pass
        finally:
            pending.cancel()
            writer.close()

    async def _read(self, reader: asyncio.StreamReader, first: bytes) -> Exchange:
        head = (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        request_line, *lines = head.split("\r\n")
        method, path, _ = request_line.split(" ")
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)
        }
        if "100-continue" in headers.get("expect", "").lower():
            raise EOFError("the test server does not play Expect")
        body = await self._read_body(reader, headers)
        probe = method == "GET"
        fault = Fault() if probe else self._queue.popleft() if self._queue else self.default
        exchange = Exchange(
            method=method, path=path, headers=headers, body=body, fault=fault, arrived_at=time.monotonic()
        )
        if probe:
            self.probes += 1
        else:
            self.requests.append(exchange)
        self._notify()
        return exchange

    async def _read_body(self, reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() != "chunked":
            return await reader.readexactly(int(headers.get("content-length", "0")))
        parts = []
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            parts.append(await reader.readexactly(size))
            await reader.readexactly(2)
        await reader.readexactly(2)
        return b"".join(parts)

    async def _answer(
        self, connection: Connection, exchange: Exchange, pending: asyncio.Future[bytes]
    ) -> After:
        """Play the answer, and stop at once when the client leaves."""
        player = asyncio.ensure_future(self._play(connection, exchange))
        try:
            either: set[asyncio.Future[Any]] = {player, pending}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            left = pending.done() and (pending.exception() is not None or pending.result() == b"")
            if left and not player.done():
                raise ConnectionResetError
            after = await player
        except ConnectionError:
            exchange.closed_at = time.monotonic()
            raise
        finally:
            player.cancel()
            self._notify()
        exchange.finished = after == "keep"
        self._notify()
        return after

    async def _play(self, connection: Connection, exchange: Exchange) -> After:
        if exchange.method == "GET":
            await self._probe(connection, exchange.path)
            return "keep"
        if exchange.path.endswith("/embeddings") and exchange.fault.kind == "none":
            await play_json(connection, 200, embeddings_answer(exchange.json))
            return "keep"
        return await play(connection, exchange, self._parts(exchange))

    def _parts(self, exchange: Exchange) -> Answer:
        length = self.length if exchange.fault.length is None else exchange.fault.length
        builders = {"/model/": bedrock_answer, "/endpoints/": sagemaker_answer, "/v1beta/": google_answer}
        build = next(
            (made for start, made in builders.items() if exchange.path.startswith(start)), openai_answer
        )
        return build(exchange.path, exchange.json, exchange.fault, length)

    async def _probe(self, connection: Connection, path: str) -> None:
        if not self.healthy:
            await play_json(connection, 503, {"error": "unhealthy"})
        elif path == "/v1/models":
            data = [{"id": name, "object": "model", "created": 0, "owned_by": "test"} for name in self.models]
            await play_json(connection, 200, {"object": "list", "data": data})
        elif path == "/metrics":
            page = b'vllm:num_requests_running{engine="0",model_name="test-model"} 0.0\n'
            await play_json(connection, 200, page, {"content-type": "text/plain"})
        else:
            await play_json(connection, 200, {})
