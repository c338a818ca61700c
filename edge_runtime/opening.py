"""Opens a model folder with the engine that runs what it holds.

Engines are imported here and only when a folder is opened: the client decides long before it runs anything.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from router_core.errors import RefusedError
from router_core.execution import Chunk, EmbeddingAnswer, ModelAnswer
from router_core.ports import EmbedCall, HealthProbe, ModelCall


class OpenedModel(Protocol):
    """What every engine gives. Raises `TargetError`."""

    async def generate(self, call: ModelCall) -> ModelAnswer: ...

    def stream(self, call: ModelCall) -> AsyncGenerator[Chunk, None]: ...

    async def embed(self, call: EmbedCall) -> EmbeddingAnswer: ...


class Owner(Protocol):
    """The thread behind it."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A model that answers, the thread that owns it, and what says how it is. `task` is what it does where nobody says which;
    `at_once` calls are worked on together."""

    model: OpenedModel
    owner: Owner
    probe: HealthProbe
    task: str = "command"
    at_once: int = 1


def open_folder(
    folder: Path,
    *,
    threads: int = 1,
    limit: int | None = None,
    count: Callable[[str], int] | None = None,
    prompt: bool = False,
) -> Opened:
    """The model of a folder. `limit`: calls waiting or running; `count`: tokens of a text, for
    engines that do not count themselves; `prompt`: short sentences are read on the caller's own thread. Raises `ModelFolderError`; ImportError where the engine's package is missing."""
    from edge_runtime.language.folder import is_language_folder

    if is_language_folder(folder):
        from edge_runtime.language.engine import BATCH, WAITING, LanguageEngine
        from edge_runtime.language.model import LanguageModel

        language = LanguageEngine.load(folder, threads=threads, limit=limit or WAITING)
        model = LanguageModel(language)
        return Opened(model=model, owner=language, probe=model, task="chat", at_once=BATCH)
    from edge_runtime.device_model import DeviceProbe, OnnxDeviceModel
    from edge_runtime.engines.onnx_intent import OnnxIntentEngine
    from edge_runtime.engines.owner import QUEUE_LIMIT, OwnerThread, PromptOwner

    engine = OnnxIntentEngine.load(folder, threads=threads)
    owner = (PromptOwner if prompt else OwnerThread)(
        name=f"owner-{folder.name}"[:15], limit=limit or QUEUE_LIMIT
    )
    return Opened(model=OnnxDeviceModel(engine, owner, count=count), owner=owner, probe=DeviceProbe(owner))


def open_model(folder: Path, threads: int) -> tuple[OpenedModel, Owner]:
    """The same for a client, to which a model that cannot be opened is one that refuses. Raises `RefusedError`."""
    from edge_runtime.engines.model_folder import ModelFolderError

    try:
        opened = open_folder(folder, threads=threads, prompt=True)
    except (ModelFolderError, ImportError) as error:
        raise RefusedError("the device model cannot be opened") from error
    return opened.model, opened.owner
