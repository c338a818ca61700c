"""`Library`: models that come over the network, as an app uses them. Pull, activate, try out; and hand it to the client.

A model without a version here is answered by the one that the package brings, if it has that name: an empty library is
no reason to have no model.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from edge_runtime.library.download import Line, Progress
from edge_runtime.library.foresight import Foresight
from edge_runtime.library.manifest import Manifest
from edge_runtime.library.residence import BUDGET_MB, IDLE_S, Residence
from edge_runtime.library.serving import LibraryModels
from edge_runtime.library.versions import Conditions, Mode, Standing, Versions
from edge_runtime.network import NetworkWatch
from edge_runtime.protocol.envelope import Trust
from edge_runtime.sdk.home import DeviceModels, FolderModels
from edge_runtime.store import SHIPPED
from router_core.execution import Chunk, EmbeddingAnswer, ModelAnswer
from router_core.ports import EmbedCall, ModelCall

DEVICE_FILE: Final = "device-id"
HABITS_FILE: Final = "habits.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryOptions:
    """`device_id` decides which trials this device takes part in; made by chance and kept when not given. `budget_mb` of
    memory for open models, closed after `idle_s` without use. `ahead`: learn at which hours a model is used, and open it
    before. `shipped`: folders of models that the package brings."""

    device_id: str | None = None
    budget_mb: int = BUDGET_MB
    idle_s: float = IDLE_S
    ahead: bool = True
    shipped: Mapping[str, Path] = field(default_factory=lambda: {"intent-v1": SHIPPED / "intent-v1"})


class Library:
    """`root` is its folder, `trust` the public keys whose models it takes. Give it to a client as `Options.serving`, which
    closes it. Make it on the client's event loop."""

    def __init__(
        self, root: Path, *, trust: Sequence[str] = (), options: LibraryOptions | None = None
    ) -> None:
        chosen = options or LibraryOptions()
        self._versions = Versions(root, Trust(trust))
        residence = Residence(budget_mb=chosen.budget_mb, idle_s=chosen.idle_s)
        habits = Foresight(root / HABITS_FILE) if chosen.ahead else None
        device = chosen.device_id or _device_id(root)
        self._pulled = LibraryModels(self._versions, residence, device, habits)
        self._shipped = FolderModels(chosen.shipped)

    # ---- what lies here --------------------------------------------------------------------------------------------------

    async def pull(
        self,
        url: str,
        conditions: Conditions | None = None,
        *,
        progress: Progress | None = None,
        watch: NetworkWatch | None = None,
    ) -> Manifest:
        """Fetch and install the signed version at `url`; interrupted, the next call goes on. `conditions`: by default Wi-Fi
        is asked for, and the platform is believed to be on it. What the transfer teaches of the line goes to `watch`, a
        client's `network`. Raises `RefusedModelError`."""
        line = Line(progress=progress, watch=watch)
        return await asyncio.to_thread(self._versions.pull, url, conditions or Conditions(), line)

    async def activate(self, name: str, version: str) -> None:
        """This version answers from now on; a client knows a new name with its next `refresh`. Raises `RefusedModelError`."""
        await asyncio.to_thread(self._versions.activate, name, version)

    async def try_out(self, name: str, version: str, *, share: float, mode: Mode = "ab") -> None:
        """Put a version on trial, on this share of devices or ("shadow") beside the one that serves; it is rolled back when
        it errs more or is slower. Raises `RefusedModelError`."""
        await asyncio.to_thread(self._versions.try_out, name, version, share, mode)

    async def evict(self, name: str, version: str) -> None:
        """Delete a version that neither serves nor is on trial. Raises `RefusedModelError`."""
        await asyncio.to_thread(self._versions.evict, name, version)

    def standing(self, name: str) -> Standing:
        """Which version serves, which one is on trial, which ones failed."""
        return self._versions.standing(name)

    # ---- what a client asks of it ----------------------------------------------------------------------------------------

    def names(self) -> tuple[str, ...]:
        """Models that can answer."""
        return tuple(dict.fromkeys((*self._pulled.names(), *self._shipped.names())))

    async def generate(self, model: str, call: ModelCall) -> ModelAnswer:
        """See `DeviceModels`."""
        return await self._of(model).generate(model, call)

    async def stream(self, model: str, call: ModelCall) -> AsyncGenerator[Chunk, None]:
        """See `DeviceModels`."""
        async with aclosing(self._of(model).stream(model, call)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def embed(self, model: str, call: EmbedCall) -> EmbeddingAnswer:
        """See `DeviceModels`."""
        return await self._of(model).embed(model, call)

    async def warm(self) -> None:
        """Open the version of each model that will answer here."""
        await self._pulled.warm()
        if set(self._shipped.names()) - set(self._pulled.names()):
            await self._shipped.warm()

    def close(self) -> None:
        """Close all models."""
        self._pulled.close()
        self._shipped.close()

    def _of(self, model: str) -> DeviceModels:
        return self._pulled if self._versions.standing(model).active is not None else self._shipped


def _device_id(root: Path) -> str:
    """The same after a restart, so that a trial does not change sides."""
    file = root / DEVICE_FILE
    if not file.is_file():
        file.write_text(secrets.token_hex(16), encoding="ascii")
    return file.read_text(encoding="ascii").strip()
