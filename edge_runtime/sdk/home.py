"""Answers on the device itself. Nothing here can reach the network: it holds models and no link.

Models are opened with their first use, on the thread that owns them; what cannot be opened counts as refusing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, Protocol

from edge_runtime.opening import open_model
from edge_runtime.sdk.deciding import Turn
from router_core.adapters.data_files import DeclaredTarget, load_data, target_spec
from router_core.errors import RefusedError
from router_core.execution import Chunk, EmbeddingAnswer, ModelAnswer
from router_core.ports import EmbedCall, ModelCall
from router_core.resources import TargetSpec


class DeviceModels(Protocol):
    """The models of this device, by name. Raises `TargetError`."""

    async def generate(self, model: str, call: ModelCall) -> ModelAnswer: ...

    def stream(self, model: str, call: ModelCall) -> AsyncGenerator[Chunk, None]: ...

    async def embed(self, model: str, call: EmbedCall) -> EmbeddingAnswer: ...


class ServedModels(DeviceModels, Protocol):
    """Models that a client opens and closes. `names` may change while it runs."""

    def names(self) -> tuple[str, ...]: ...

    async def warm(self) -> None: ...

    def close(self) -> None: ...


class Home:
    """Runs what was decided to run here."""

    def __init__(self, models: DeviceModels) -> None:
        self._models = models

    async def answer(self, turn: Turn, target: str, timeout_s: float) -> ModelAnswer:
        """Raises `TargetError`; a model that is not sure enough refuses."""
        call = _call(turn, target, timeout_s)
        return await self._models.generate(call.model, call)

    def stream(self, turn: Turn, target: str, timeout_s: float) -> AsyncGenerator[Chunk, None]:
        """The same as it comes; `timeout_s` until it begins."""
        call = _call(turn, target, timeout_s)
        return self._models.stream(call.model, call)

    async def embed(self, turn: Turn, target: str, texts: Sequence[str], timeout_s: float) -> EmbeddingAnswer:
        """Raises `TargetError`."""
        model = turn.table.targets[turn.table.index[target]].spec.model
        call = EmbedCall(
            request_id=turn.request.request_id, model=model, inputs=tuple(texts), timeout_s=timeout_s
        )
        return await self._models.embed(model, call)


def _call(turn: Turn, target: str, timeout_s: float) -> ModelCall:
    request = turn.request
    return ModelCall(
        request_id=request.request_id,
        model=turn.table.targets[turn.table.index[target]].spec.model,
        messages=request.messages,
        params=request.params,
        task=turn.context.task,
        timeout_s=timeout_s,
        min_confidence=turn.table.policy.thresholds.device_confidence,
    )


class FolderModels:
    """Models in folders, one engine and one thread each."""

    def __init__(self, folders: Mapping[str, Path], *, threads: int = 1) -> None:
        self._folders, self._threads = dict(folders), threads
        self._open: dict[str, Any] = {}
        self._guard = asyncio.Lock()

    def names(self) -> tuple[str, ...]:
        """Models that lie here."""
        return tuple(self._folders)

    async def generate(self, model: str, call: ModelCall) -> ModelAnswer:
        """See `DeviceModels`."""
        answer: ModelAnswer = await (await self._opened(model)).generate(call)
        return answer

    async def stream(self, model: str, call: ModelCall) -> AsyncGenerator[Chunk, None]:
        """See `DeviceModels`."""
        async with aclosing((await self._opened(model)).stream(call)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def embed(self, model: str, call: EmbedCall) -> EmbeddingAnswer:
        """See `DeviceModels`."""
        answer: EmbeddingAnswer = await (await self._opened(model)).embed(call)
        return answer

    async def warm(self) -> None:
        """Open all models now, so that the first request does not wait for it."""
        for name in self._folders:
            await self._opened(name)

    def close(self) -> None:
        """End the owner threads."""
        for _, owner in self._open.values():
            owner.close()
        self._open.clear()

    async def _opened(self, model: str) -> Any:
        found = self._open.get(model)
        if found is not None:
            return found[0]
        async with self._guard:
            if model not in self._open:
                folder = self._folders.get(model)
                if folder is None:
                    raise RefusedError(f"model {model[:80]} is not on this device")
                self._open[model] = await asyncio.to_thread(open_model, folder, self._threads)
        return self._open[model][0]


def own_specs(names: Sequence[str]) -> tuple[TargetSpec, ...]:
    """What the packaged data says of the models on this device: what counts until a bundle says it."""
    data = load_data()
    return tuple(
        target_spec(DeclaredTarget(name=f"device/{name}", kind="onnx", model=name), data, None)
        for name in names
    )
