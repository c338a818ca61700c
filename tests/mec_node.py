"""The MEC stand-in as a server of this process, for tests that look into it while it runs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from gateway.sandbox.__main__ import listen
from gateway.sandbox.mec import MecOptions, MecStandIn


@contextmanager
def running_node(options: MecOptions) -> Iterator[tuple[MecStandIn, str]]:
    """The node and its address, until the block ends."""
    node, socket = MecStandIn(options), listen(0)
    config = uvicorn.Config(node, lifespan="off", log_level="critical", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[socket])))
    thread.start()
    try:
        yield node, f"http://127.0.0.1:{socket.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        socket.close()
