"""What the function at the door needs to serve devices that decide for themselves: the key of their bundles, marks of their
reports.

Only with state that all machines share: machines that each remember reports alone would count one that is sent again twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.hosts.composition import Parts
    from gateway.http.device.routes import DeviceDesk
    from router_core.ports import StateStore


def device_desk(parts: Parts, shared: StateStore | None) -> DeviceDesk | None:
    """None where devices are not served. Raises `ConfigurationError`."""
    if shared is None:
        return None
    from gateway.composition.device import open_desk
    from gateway.composition.device_key import plan_device_key

    key, _ = plan_device_key(parts.settings.device, parts.environ, sandbox=False)
    return open_desk(parts.settings, key, shared)
