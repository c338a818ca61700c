"""Everything that runs on a device: the client an app embeds, the ONNX engine, the model store and the device probe.

ONNX Runtime builds from 1.29 on send usage data unless this variable is set before the first
``import onnxruntime`` of the process. A package that promises that data stays on the device sets it
here, because this file is always executed before any engine module. Nothing heavy is imported: the
names of the client are looked up when they are asked for.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from edge_runtime.library.shelf import Library as Library
    from edge_runtime.library.shelf import LibraryOptions as LibraryOptions
    from edge_runtime.library.versions import Conditions as Conditions
    from edge_runtime.library.versions import RefusedModelError as RefusedModelError
    from edge_runtime.sdk.answers import Answer as Answer
    from edge_runtime.sdk.answers import Delta as Delta
    from edge_runtime.sdk.answers import Fallback as Fallback
    from edge_runtime.sdk.answers import Vectors as Vectors
    from edge_runtime.sdk.blocking import BlockingClient as BlockingClient
    from edge_runtime.sdk.client import Client as Client
    from edge_runtime.sdk.client import Options as Options
    from edge_runtime.sdk.errors import ClientError as ClientError
    from edge_runtime.sdk.errors import DeclinedError as DeclinedError
    from edge_runtime.sdk.errors import GatewayError as GatewayError
    from edge_runtime.sdk.errors import OfflineError as OfflineError
    from edge_runtime.sdk.errors import OverBudgetError as OverBudgetError
    from edge_runtime.sdk.errors import SlowError as SlowError
    from router_core.inference import Device as Device

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

_PLACES: Final = {
    "router_core.inference": ("Device",),
    "edge_runtime.library.shelf": ("Library", "LibraryOptions"),
    "edge_runtime.library.versions": ("Conditions", "RefusedModelError"),
    "edge_runtime.sdk.answers": ("Answer", "Delta", "Fallback", "Vectors"),
    "edge_runtime.sdk.blocking": ("BlockingClient",),
    "edge_runtime.sdk.client": ("Client", "Options"),
    "edge_runtime.sdk.errors": (
        "ClientError",
        "DeclinedError",
        "GatewayError",
        "OfflineError",
        "OverBudgetError",
        "SlowError",
    ),
}
_PLACE_OF: Final = {name: place for place, names in _PLACES.items() for name in names}
__all__ = sorted(_PLACE_OF)


def __getattr__(name: str) -> Any:
    place = _PLACE_OF.get(name)
    if place is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(place), name)


def __dir__() -> list[str]:
    return sorted(_PLACE_OF)
