"""Builds the adapters of every planned target: one model, embedder and probe each, by the target's kind.

Engines, pools and signers are imported here and only for the kinds that are configured, because each costs memory
and start-up time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.composition_plan import Plan, PlannedTarget
from router_core.errors import ConfigurationError
from router_core.ports import Embedder, HealthProbe, Model

if TYPE_CHECKING:
    from edge_runtime.device_model import OnnxDeviceModel
    from edge_runtime.engines.owner import OwnerThread

Close = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Adapters:
    """What was built, by target name, and how to close it, in order of building."""

    models: dict[str, Model] = field(default_factory=dict)
    embedders: dict[str, Embedder] = field(default_factory=dict)
    probes: dict[str, HealthProbe] = field(default_factory=dict)
    closers: list[Close] = field(default_factory=list)
    _devices: dict[Path, tuple[OnnxDeviceModel, OwnerThread]] = field(default_factory=dict)


def build_adapters(made: Plan, threshold: Callable[[], float]) -> Adapters:
    """Adapters of all targets. `threshold` is the policy's confidence for device models.
    Raises `ConfigurationError` naming the target."""
    built = Adapters()
    builders = {"onnx": _onnx, "openai": _openai, "bedrock": _bedrock}
    for target in made.targets:
        builders[target.spec.kind](target, made, built, threshold)
    return built


def _onnx(target: PlannedTarget, made: Plan, built: Adapters, threshold: Callable[[], float]) -> None:
    from edge_runtime.device_model import DeviceProbe
    from edge_runtime.store import SHIPPED

    folder = (target.settings.path or SHIPPED / target.settings.model).resolve()
    if folder not in built._devices:
        built._devices[folder] = _load_device(target, folder, made, threshold)
        owner = built._devices[folder][1]
        built.closers.append(lambda: _close_owner(owner))
    model, owner = built._devices[folder]
    built.models[target.spec.name] = model
    built.embedders[target.spec.name] = model
    built.probes[target.spec.name] = DeviceProbe(owner)


def _load_device(
    target: PlannedTarget, folder: Path, made: Plan, threshold: Callable[[], float]
) -> tuple[OnnxDeviceModel, OwnerThread]:
    """One engine and one thread per model folder, however many targets use it."""
    from edge_runtime.device_model import OnnxDeviceModel
    from edge_runtime.engines.model_folder import TOKENIZER, ModelFolderError
    from edge_runtime.engines.onnx_intent import OnnxIntentEngine
    from edge_runtime.engines.owner import OwnerThread

    try:
        from tokenizers import Tokenizer

        engine = OnnxIntentEngine.load(folder, threads=made.settings.device.threads)
    except ImportError as error:
        raise ConfigurationError(
            f"target {target.spec.name} needs the edge extra: pip install 'tierwise[edge]'"
        ) from error
    except ModelFolderError as error:
        raise ConfigurationError(f"target {target.spec.name}: {error}") from error
    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    owner = OwnerThread(name=f"owner-{target.spec.model}"[:15], limit=made.settings.device.queue)
    model = OnnxDeviceModel(
        engine,
        owner,
        threshold=threshold,
        count=lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids),
    )
    return model, owner


async def _close_owner(owner: OwnerThread) -> None:
    owner.close()


def _openai(target: PlannedTarget, made: Plan, built: Adapters, threshold: Callable[[], float]) -> None:
    from router_core.adapters.http_pool import HttpPool
    from router_core.adapters.openai_http import OpenAIModel

    key = target.secret.reveal() if target.secret is not None else None
    url = target.settings.base_url or ""
    pool = HttpPool(url, max_connections=_connections(target))
    model = OpenAIModel(pool, model=target.spec.model, api_key=key)
    built.models[target.spec.name] = model
    built.embedders[target.spec.name] = model
    built.closers.append(pool.aclose)


def _connections(target: PlannedTarget) -> int:
    # Room for what the router lets through, and for probes beside it.
    return max(64, 2 * target.spec.max_concurrency)


def _bedrock(target: PlannedTarget, made: Plan, built: Adapters, threshold: Callable[[], float]) -> None:
    return
