"""Amazon Nova, asked on a thread of its own: nothing of the SDKs is loaded before the first question.

Strands and boto3 do some 5 ms of work per question and take seconds to load, so a loop in a thread of its own does both,
never the loop that serves requests.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from agents.deliberation.asking import Question, Role, Thought
from router_core.errors import StoreError
from router_core.record import dataclass

if TYPE_CHECKING:  # loads Strands
    from agents.deliberation.strands_client import StrandsClient

THREADS: Final = 8
"""Calls at once; a ninth waits, and its budget with it."""
JOIN_S: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NovaModel:
    """A model's id at Bedrock, and its prices in USD per million tokens."""

    id: str
    price_in: float
    price_out: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NovaPlace:
    """Where Nova is. `session` makes a boto3 session that knows region and credentials, `config` its client's settings; `streams`: its
    answers are read as they come, for endpoints and permissions that know no other way."""

    models: Mapping[Role, NovaModel]
    session: Callable[[], Any]
    config: Callable[[], Any]
    endpoint_url: str | None = None
    streams: bool = False


class NovaThinker:
    """Asks Nova. Its threads start with the first question; `close` ends them."""

    def __init__(self, place: NovaPlace) -> None:
        self._place = place
        self._client: StrandsClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        # Its threads start with the first call.
        self._calls = ThreadPoolExecutor(THREADS, thread_name_prefix="nova")

    async def think(self, question: Question) -> Thought:
        """One answer. Raises `StoreError` or `NotTakenError`; giving up on it here gives it up there."""
        asked = asyncio.run_coroutine_threadsafe(self._think(question), self._running())
        return await asyncio.wrap_future(asked)

    def price_usd(self, role: Role, input_tokens: int, output_tokens: int) -> float:
        """What so many tokens cost."""
        model = self._place.models[role]
        return (model.price_in * input_tokens + model.price_out * output_tokens) / 1e6

    def warm(self) -> None:
        """Load the SDKs and make the clients, on the thread of its own."""
        asyncio.run_coroutine_threadsafe(self._warm(), self._running())

    async def close(self) -> None:
        """Stop asking. Calls that wait for a thread are dropped; one that hangs ends with its own timeout, for which nobody waits
        here, but a process that ends does."""
        if self._loop is None or self._thread is None:
            return
        self._calls.shutdown(wait=False, cancel_futures=True)
        self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.to_thread(self._thread.join, JOIN_S)

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._loop.set_default_executor(self._calls)
            self._thread = threading.Thread(
                target=_serve, args=(self._loop,), name="deliberation", daemon=True
            )
            self._thread.start()
        return self._loop

    async def _think(self, question: Question) -> Thought:
        """On the thread of its own."""
        return await self._loaded().think(question)

    async def _warm(self) -> None:
        with contextlib.suppress(Exception):  # the first question then says what is wrong
            self._loaded().connect()

    def _loaded(self) -> StrandsClient:
        if self._client is None:
            try:
                from agents.deliberation.strands_client import StrandsClient
            except ImportError as error:
                raise StoreError(f"the model's client cannot be loaded: {error.name}") from None
            self._client = StrandsClient(self._place)
        return self._client


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
    finally:
        loop.close()
