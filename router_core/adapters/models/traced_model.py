"""A target's model with a span around every call, so that a trace shows each attempt and reaches into the tier.

Wraps any `Model` or `Embedder`; a gateway that does not trace has none of this in its path.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from time import monotonic

from router_core.errors import TargetError
from router_core.execution import Chunk, EmbeddingAnswer, ModelAnswer, Usage
from router_core.ports import EmbedCall, Embedder, Model, ModelCall
from router_core.resources import TargetSpec
from router_core.tracing import CURRENT, Attribute, Span


class _Attempt:
    """One call's span, the current one from `__enter__` to `__exit__`; without a trace it does nothing."""

    def __init__(self, spec: TargetSpec, operation: str) -> None:
        self._parent = CURRENT.get()
        self._started = 0.0
        self._span: Span | None = None
        if self._parent is not None:
            self._span = self._parent.child(f"{operation} {spec.model}", kind="client")
        self._facts: dict[str, Attribute] = {
            "gen_ai.operation.name": operation,
            "gen_ai.request.model": spec.model,
            "tierwise.target": spec.name,
            "tierwise.tier": spec.tier,
        }

    def __enter__(self) -> _Attempt:
        self._started = monotonic()
        if self._span is not None:
            CURRENT.set(self._span)
        return self

    def used(self, usage: Usage) -> None:
        self._facts["gen_ai.usage.input_tokens"] = usage.prompt_tokens
        self._facts["gen_ai.usage.output_tokens"] = usage.completion_tokens

    def got(self, chunk: Chunk) -> None:
        """The first chunk tells the time to the first token, a later one the usage."""
        self._facts.setdefault("gen_ai.server.time_to_first_token", monotonic() - self._started)
        if chunk.usage is not None:
            self.used(chunk.usage)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if self._span is None:
            return
        # Not a token's reset: a stream may be closed from another context than the one that opened it.
        CURRENT.set(self._parent)
        self._span.end(self._facts, error=_kind(error))


class TracedModel:
    """`Model` around a `Model`."""

    def __init__(self, model: Model, spec: TargetSpec) -> None:
        self._model, self._spec = model, spec

    async def generate(self, call: ModelCall) -> ModelAnswer:
        """See `Model.generate`."""
        with _Attempt(self._spec, "chat") as attempt:
            answer = await self._model.generate(call)
            attempt.used(answer.usage)
            return answer

    async def stream(self, call: ModelCall) -> AsyncGenerator[Chunk, None]:
        """See `Model.stream`."""
        with _Attempt(self._spec, "chat") as attempt:
            async with aclosing(self._model.stream(call)) as chunks:
                async for chunk in chunks:
                    attempt.got(chunk)
                    yield chunk


class TracedEmbedder:
    """`Embedder` around an `Embedder`."""

    def __init__(self, embedder: Embedder, spec: TargetSpec) -> None:
        self._embedder, self._spec = embedder, spec

    async def embed(self, call: EmbedCall) -> EmbeddingAnswer:
        """See `Embedder.embed`."""
        with _Attempt(self._spec, "embeddings") as attempt:
            answer = await self._embedder.embed(call)
            attempt.used(answer.usage)
            return answer


def _kind(error: BaseException | None) -> str | None:
    """A word for what went wrong; a stream that its reader leaves did not go wrong."""
    if error is None or isinstance(error, GeneratorExit):
        return None
    return error.outcome if isinstance(error, TargetError) else type(error).__name__
