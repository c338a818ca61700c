"""`BlockingClient`: the same client for code without an event loop; it keeps one of its own, on one thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

from edge_runtime.sdk.answers import Answer, Delta, Vectors, Wishes
from edge_runtime.sdk.body import Prompt
from edge_runtime.sdk.client import Client, Options
from router_core.decision import RoutingDecision

Result = TypeVar("Result")


class BlockingClient:
    """As `Client`; every call blocks its thread, and any thread may call."""

    def __init__(
        self,
        gateway: str | None = None,
        *,
        key: str | None = None,
        trust: Sequence[str] = (),
        options: Options | None = None,
    ) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tierwise-client", daemon=True)
        self._thread.start()
        self._client = self._run(_made(gateway, key, trust, options))

    def __enter__(self) -> Self:
        self._run(self._client.start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the client and its loop."""
        self._run(self._client.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def infer(self, prompt: Prompt, **wishes: Unpack[Wishes]) -> Answer:
        """See `Client.infer`."""
        return self._run(self._client.infer(prompt, **wishes))

    def submit(self, prompt: Prompt, **wishes: Unpack[Wishes]) -> Future[Answer]:
        """`infer` without waiting; cancelling the future cancels the request."""
        return asyncio.run_coroutine_threadsafe(self._client.infer(prompt, **wishes), self._loop)

    def command(self, text: str, **wishes: Unpack[Wishes]) -> Answer:
        """See `Client.command`."""
        return self._run(self._client.command(text, **wishes))

    def embed(self, texts: Sequence[str], **wishes: Unpack[Wishes]) -> Vectors:
        """See `Client.embed`."""
        return self._run(self._client.embed(texts, **wishes))

    def stream(self, prompt: Prompt, **wishes: Unpack[Wishes]) -> Iterator[Delta | Answer]:
        """See `Client.stream`; closing the iterator stops the work."""
        parts = self._client.stream(prompt, **wishes)
        try:
            while (part := self._run(_next(parts))) is not None:
                yield part
        finally:
            self._run(parts.aclose())

    def decide(self, prompt: Prompt, **wishes: Unpack[Wishes]) -> RoutingDecision:
        """See `Client.decide`."""
        return self._run(_decided(self._client, prompt, wishes))

    def warm(self) -> None:
        """See `Client.warm`."""
        self._run(self._client.warm())

    def refresh(self) -> bool:
        """See `Client.refresh`."""
        return self._run(self._client.refresh())

    def waiting(self) -> dict[str, int]:
        """See `Client.waiting`."""
        return self._run(self._client.waiting())

    def feedback(self, answer_id: str, score: float) -> None:
        """See `Client.feedback`."""
        self._run(self._client.feedback(answer_id, score))

    def collect(self) -> list[tuple[str, dict[str, Any]]]:
        """See `Client.collect`."""
        return self._run(self._client.collect())

    def deliver(self) -> None:
        """See `Client.deliver`."""
        self._run(self._client.deliver())

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            # Ctrl-C reaches the caller's thread: the request must not go on without it.
            future.cancel()
            raise


async def _made(
    gateway: str | None, key: str | None, trust: Sequence[str], options: Options | None
) -> Client:
    """Locks and events of a client belong to the loop it is made on."""
    return Client(gateway, key=key, trust=trust, options=options)


async def _decided(client: Client, prompt: Prompt, wishes: Wishes) -> RoutingDecision:
    """On the loop's thread, which alone may ask the platform for its state."""
    return client.decide(prompt, **wishes)


async def _next(parts: Any) -> Delta | Answer | None:
    part: Delta | Answer | None = await anext(parts, None)
    return part
