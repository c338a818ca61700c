"""The key that signs the bundles of devices: the settings' own, or one that the sandbox makes for its run."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

from gateway.settings.schema import DeviceSettings
from gateway.settings.secrets import Secret, resolve


def plan_device_key(
    settings: DeviceSettings, environ: Mapping[str, str], *, sandbox: bool
) -> tuple[Secret | None, tuple[str, ...]]:
    """The key that signs bundles, and what people are told of it. The sandbox makes one for its run, which nobody has to
    trust for longer. Raises `ConfigurationError`."""
    if settings.signing_key is not None:
        return resolve(settings.signing_key, environ, "device.signing_key"), ()
    if not sandbox or find_spec("cryptography") is None:
        return None, ()
    from edge_runtime.protocol.envelope import new_key

    private, public = new_key()
    told = f"devices of this sandbox trust {public} (of this run only; device.signing_key keeps one)"
    return Secret(private, "generated"), (told,)
