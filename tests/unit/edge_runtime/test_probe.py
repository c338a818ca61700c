"""What the probe makes of a machine: shares in range, unknown where nothing can be read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from edge_runtime.probe import DeviceState, read_device, read_pressure, thermal_of, wait_of


@dataclass(frozen=True)
class Reading:
    current: float
    high: float | None = None
    critical: float | None = None


@dataclass(frozen=True)
class Battery:
    percent: float
    power_plugged: bool


class Phone:
    """Answers like psutil on a machine that has a battery and one sensor, and no memory figures."""

    def sensors_battery(self) -> Battery:
        return Battery(percent=62.0, power_plugged=False)

    def sensors_temperatures(self) -> dict[str, list[Reading]]:
        return {"cpu": [Reading(60.0, critical=100.0), Reading(93.0, critical=100.0)]}

    def virtual_memory(self) -> None:
        raise OSError("not on this system")


def test_figures_are_taken_over_and_missing_ones_are_unknown(tmp_path: Path) -> None:
    (tmp_path / "cpu").write_text("some avg10=12.50 avg60=3.00 avg300=1.00 total=1\nfull avg10=0.00\n")
    state = read_device(Phone(), tmp_path)
    assert (state.battery, state.charging, state.thermal) == (0.62, False, "serious")
    assert state.memory_free_mb is None
    assert state.cpu_pressure == pytest.approx(0.125)
    assert state.memory_pressure is None


def test_this_machine_reads_without_error_and_in_range() -> None:
    state = read_device()
    for share in (state.battery, state.cpu_load, state.cpu_wait, state.cpu_pressure, state.memory_pressure):
        assert share is None or 0.0 <= share <= 1.0
    assert state.memory_free_mb is None or state.memory_free_mb > 0


def test_nothing_known_is_unknown_and_not_fine() -> None:
    state = read_device(object(), Path("/nonexistent"))
    assert (state.battery, state.charging, state.thermal, state.memory_free_mb) == (None, None, None, None)
    assert DeviceState().thermal is None


@pytest.mark.parametrize(
    ("degrees", "name"), [(50, "nominal"), (81, "fair"), (91, "serious"), (99, "critical")]
)
def test_heat_is_judged_against_the_sensor_s_own_limit(degrees: float, name: str) -> None:
    assert thermal_of({"cpu": [Reading(degrees, critical=100.0)]}) == name


def test_a_broken_pressure_file_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "cpu").write_text("some avg10=much")
    assert read_pressure(tmp_path / "cpu") is None


@pytest.mark.parametrize(
    ("queue", "pressure", "wait"),
    [
        (0.4, 0.9, 0.0),
        (2.0, 1.0, 0.5),
        (2.0, None, 0.5),
        (None, 0.3, 0.3),
        (50.0, 1.0, 0.98),
        (None, None, None),
    ],
)
def test_what_counts_is_how_long_one_more_thread_would_wait(
    queue: float | None, pressure: float | None, wait: float | None
) -> None:
    assert wait_of(queue, pressure) == (None if wait is None else pytest.approx(wait))
