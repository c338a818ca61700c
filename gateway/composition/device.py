"""What a gateway needs to serve devices: the key that signs their bundles, their model catalogue, and marks of their reports.

Marks lie in the shared state where there is one, else in a file that all workers of this machine see and that outlives
them: a device that sends a batch again after a crash of either side must not be counted twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from edge_runtime.protocol.envelope import signer
from edge_runtime.store import ModelStore
from gateway.http.device.marks import FileMarks
from gateway.http.device.routes import DeviceDesk
from gateway.settings.schema import Settings
from gateway.settings.secrets import Secret
from router_core.errors import ConfigurationError
from router_core.ports import StateStore

MARKS_FILE: Final = "device-reports.sqlite"
_CATALOGUE_BYTES: Final = 256 * 1024


def open_desk(settings: Settings, key: Secret | None, shared: StateStore | None) -> DeviceDesk:
    """Raises `ConfigurationError`."""
    device = settings.device
    sign = None
    if key is not None:
        try:
            sign = signer(key.reveal())
        except ImportError as error:
            raise ConfigurationError(
                "settings: device.signing_key needs its package: pip install 'tierwise[edge]'"
            ) from error
    marks = shared if shared is not None else FileMarks(settings.events.dir / MARKS_FILE)
    return DeviceDesk(marks=marks, sign=sign, ttl_s=device.bundle_ttl_s, models=catalogue(device.catalogue))


def catalogue(file: Path | None) -> tuple[Mapping[str, Any], ...]:
    """The device models on offer, as the operator's file lists them; without one, those that every installation brings.
    Raises `ConfigurationError`."""
    if file is None:
        return tuple(
            {"name": model.name, "version": model.version, "bytes": model.size_bytes, "shipped": True}
            for model in ModelStore().models()
        )
    try:
        text = file.read_bytes()
        models = json.loads(text)["models"] if len(text) <= _CATALOGUE_BYTES else None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError("settings: device.catalogue is no readable catalogue") from error
    if not isinstance(models, list) or not all(isinstance(each, dict) and "name" in each for each in models):
        raise ConfigurationError("settings: device.catalogue must hold a list `models`, each with a `name`")
    return tuple(models)
