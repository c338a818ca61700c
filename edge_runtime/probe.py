"""Reads the state of the device a router may want to spare: power, heat, memory, load, pressure.

Every figure that cannot be read is None and means "unknown", never "fine".
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Thermal = Literal["nominal", "fair", "serious", "critical"]
PRESSURE = Path("/proc/pressure")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceState:
    """``battery`` and ``cpu_load`` are shares 0..1; pressure is the share of the last 10 s in which somebody waited;
    ``cpu_wait`` the share of its time that one more thread would wait."""

    battery: float | None = None
    charging: bool | None = None
    thermal: Thermal | None = None
    memory_free_mb: int | None = None
    cpu_load: float | None = None
    cpu_wait: float | None = None
    cpu_pressure: float | None = None
    memory_pressure: float | None = None


def read_device(psutil: Any | None = None, pressure: Path = PRESSURE) -> DeviceState:
    """The state now. ``psutil``: the module to ask; by default the installed one, if any."""
    source = psutil if psutil is not None else _installed()
    battery = _ask(source, "sensors_battery")
    memory = _ask(source, "virtual_memory")
    queue, waited = _queue(), read_pressure(pressure / "cpu")
    return DeviceState(
        battery=None if battery is None else min(1.0, max(0.0, float(battery.percent) / 100)),
        charging=None if battery is None else battery.power_plugged,
        thermal=thermal_of(_ask(source, "sensors_temperatures")),
        memory_free_mb=None if memory is None else int(memory.available) // 1_048_576,
        cpu_load=None if queue is None else min(1.0, queue),
        cpu_wait=wait_of(queue, waited),
        cpu_pressure=waited,
        memory_pressure=read_pressure(pressure / "memory"),
    )


def thermal_of(sensors: Any) -> Thermal | None:
    """The worst sensor, by how near it is to its own critical temperature (95 C when it names none)."""
    worst: float | None = None
    for readings in (sensors or {}).values():
        for reading in readings:
            limit = reading.critical or reading.high or 95.0
            worst = max(worst or 0.0, float(reading.current) / float(limit))
    if worst is None:
        return None
    steps: tuple[tuple[float, Thermal], ...] = ((0.98, "critical"), (0.9, "serious"), (0.8, "fair"))
    return next((name for share, name in steps if worst >= share), "nominal")


def read_pressure(path: Path) -> float | None:
    """``avg10`` of the "some" line of a Linux pressure file, as a share 0..1."""
    try:
        fields = path.read_text(encoding="ascii").split()
        return float(next(field for field in fields if field.startswith("avg10="))[6:]) / 100
    except (OSError, ValueError, StopIteration):
        return None


def wait_of(queue: float | None, pressure: float | None) -> float | None:
    """The share of its time that one more thread would wait, of threads per CPU and of the pressure. Pressure alone says
    that somebody waited, not for how long: two busy threads on one CPU have it at 1.0, and each still runs half of the time.
    """
    if queue is None:
        return pressure
    return (1.0 if pressure is None else pressure) * (1.0 - 1.0 / max(1.0, queue))


def _queue() -> float | None:
    """Threads that run or want to, for each CPU, over the last minute."""
    try:
        return os.getloadavg()[0] / (os.cpu_count() or 1)
    except OSError:
        return None


def _installed() -> Any | None:
    try:
        import psutil
    except ImportError:
        return None
    return psutil


def _ask(source: Any, name: str) -> Any | None:
    """psutil offers some readings on some systems only, and fails on others."""
    reader: Callable[[], Any] | None = getattr(source, name, None)
    try:
        return reader() if reader is not None else None
    except (OSError, NotImplementedError, RuntimeError):
        return None
