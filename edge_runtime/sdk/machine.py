"""What this machine says of itself where the platform has no word of its own: psutil and /proc, in the client's terms."""

from __future__ import annotations

from router_core.inference import Device


def own_device() -> Device:
    """Its load is the share of its time that one more thread would wait for a CPU: a processor at work is no reason to go
    without a model of a few milliseconds, one that gives it no turn is."""
    from edge_runtime.probe import read_device

    state = read_device()
    return Device(
        battery=state.battery,
        charging=state.charging,
        thermal=state.thermal,
        memory_free_mb=state.memory_free_mb,
        cpu_load=state.cpu_wait,
        executes=True,
    )
