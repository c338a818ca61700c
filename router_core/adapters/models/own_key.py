"""A provider's model asked with the key that the request came with: the adapter of its protocol is made for one call, with
that key, over one pool of connections for all.

What the provider says of a key says nothing of the provider: a key out of its quota does not make the target busy for others.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from router_core.errors import KeyThrottledError, RefusedError, ThrottledError
from router_core.execution import Chunk, ModelAnswer
from router_core.own_key import held
from router_core.ports import Model, ModelCall


class OwnKeyModel:
    """`Model` around the one that `make` makes of a key."""

    def __init__(self, make: Callable[[str], Model]) -> None:
        self._make = make

    async def generate(self, call: ModelCall) -> ModelAnswer:
        """See `Model.generate`."""
        try:
            return await self._model().generate(call)
        except ThrottledError as error:
            raise _throttled(error) from None

    async def stream(self, call: ModelCall) -> AsyncGenerator[Chunk, None]:
        """See `Model.stream`."""
        try:
            async with aclosing(self._model().stream(call)) as chunks:
                async for chunk in chunks:
                    yield chunk
        except ThrottledError as error:
            raise _throttled(error) from None

    def _model(self) -> Model:
        key = held()
        if key is None:
            raise RefusedError("this provider is asked with the caller's own key, and there is none")
        return self._make(key)


def _throttled(error: ThrottledError) -> KeyThrottledError:
    return KeyThrottledError("the provider limits this key", retry_after_s=error.retry_after_s)
