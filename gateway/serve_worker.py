"""One serving process: builds the gateway on its event loop, serves, and drains when told to stop.

On SIGTERM or Ctrl-C the readiness answer turns to 503 while the socket stays open, so that a load balancer sees it;
requests in flight get `server.drain_s` seconds, then the rest is cancelled, records are flushed, and the exit status
is 0. A second signal does not wait.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn

from gateway.composition.plan import Plan
from gateway.composition.root import Gateway, compose
from gateway.serve_protocol import bounded_http

CANCEL_S: Final = 2
"""How long cancelled requests may take to end after the drain."""
SWITCH_S: Final = 0.001
"""How long a thread may keep the interpreter while the event loop waits: CPython's 5 ms would be seen in every stream."""
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


def serve_one(
    made: Plan,
    listener: socket.socket,
    ready: Callable[[], None],
    *,
    worker: str = "0",
    parent: int | None = None,
) -> int:
    """Serve until a signal, or until the pipe `parent` closes because the parent is gone. Returns the exit status;
    raises `ConfigurationError` when the gateway cannot be built."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(made, listener, ready, worker, parent))


async def _serve(
    made: Plan, listener: socket.socket, ready: Callable[[], None], worker: str, parent: int | None
) -> int:
    gateway = await compose(made, worker=worker)
    # What lives from start to end need not be looked at by every collection: shorter pauses on the request path.
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(SWITCH_S)
    try:
        server = _Server(_config(gateway, made), gateway, ready, drain_s=made.settings.server.drain_s)
        if parent is not None:
            asyncio.get_running_loop().add_reader(parent, server.orphaned, parent)
        await server.serve(sockets=[listener])
    finally:
        await gateway.close()
    return 0 if server.started else 1


def _config(gateway: Gateway, made: Plan) -> uvicorn.Config:
    server = made.settings.server
    return uvicorn.Config(
        gateway.asgi,
        http=bounded_http(server.max_connections),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        # Who the client is comes from the key, never from a header a client can write.
        proxy_headers=False,
        backlog=2048,
        timeout_keep_alive=int(server.keep_alive_s),
        timeout_graceful_shutdown=CANCEL_S,
    )


class _Server(uvicorn.Server):
    """uvicorn with our own stop: first refuse new work, then wait, then close."""

    def __init__(
        self, config: uvicorn.Config, gateway: Gateway, ready: Callable[[], None], *, drain_s: float
    ) -> None:
        super().__init__(config)
        self._gateway, self._ready, self._drain_s = gateway, ready, drain_s
        self._draining: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            self._ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ours in place of uvicorn's, which would raise the signal again at the end and so change the exit status."""
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._stop)
        try:
            yield
        finally:
            # Signals during the last steps must not cut the flush of the records short.
            for number in _SIGNALS:
                loop.remove_signal_handler(number)
                signal.signal(number, signal.SIG_IGN)

    def _stop(self) -> None:
        if self._draining is not None:
            self.should_exit = self.force_exit = True
            return
        self._gateway.drain()
        self._draining = asyncio.get_running_loop().create_task(self._drain())

    def orphaned(self, pipe: int) -> None:
        """The parent is gone: stop as if it had said so."""
        asyncio.get_running_loop().remove_reader(pipe)
        self._stop()

    async def _drain(self) -> None:
        """Wait for what is in flight; requests that come meanwhile are refused by the application at once."""
        await self._gateway.drained(self._drain_s)
        self.should_exit = True
