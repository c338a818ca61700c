"""`tierwise worker`: a gateway without a socket. It builds the same parts, works on the queues it is given, and drains
on SIGTERM as a gateway does; a second signal does not wait."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

from starlette.types import ASGIApp, Message

from gateway.composition.jobs import packaged
from gateway.composition.plan import Plan, plan
from gateway.composition.root import Gateway, compose
from gateway.settings.loading import load
from router_core.errors import ConfigurationError

_AT_ONCE: Final = 8
"""Where the settings leave the work to workers without saying how much."""
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


def run(options: argparse.Namespace) -> int:
    """Work until a signal ends it. Raises `ConfigurationError`."""
    import uvloop

    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s"
    )
    settings = load(options.config, os.environ)
    at_once = options.concurrency or settings.jobs.workers or _AT_ONCE
    jobs = replace(settings.jobs, queues=tuple(options.queues), workers=at_once)
    if not packaged():
        raise ConfigurationError("workers need the sql extra: pip install 'tierwise[sql]'")
    made = plan(replace(settings, jobs=jobs), os.environ, sandbox=False)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_work(made, options))


async def _work(made: Plan, options: argparse.Namespace) -> int:
    gateway = await compose(made, worker=f"worker-{'-'.join(options.queues)}")
    try:
        async with _alive(gateway.asgi):
            print(f"tierwise worker ready: {' '.join(options.queues)}", flush=True)
            await _told_to_stop(gateway)
            await gateway.drained(made.settings.server.drain_s)
    finally:
        await gateway.close()
    return 0


async def _told_to_stop(gateway: Gateway) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, stop.set)
    await stop.wait()
    gateway.drain()
    for number in _SIGNALS:
        loop.remove_signal_handler(number)


@asynccontextmanager
async def _alive(app: ASGIApp) -> AsyncIterator[None]:
    """The application started and stopped as its server would: the job workers live in between."""
    said: asyncio.Queue[Message] = asyncio.Queue()
    heard: asyncio.Queue[Message] = asyncio.Queue()

    async def live() -> None:
        await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, said.get, heard.put)

    living = asyncio.create_task(live())
    said.put_nowait({"type": "lifespan.startup"})
    await heard.get()
    try:
        yield
    finally:
        said.put_nowait({"type": "lifespan.shutdown"})
        await heard.get()
        await living
