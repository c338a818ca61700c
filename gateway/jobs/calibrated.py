"""The file in which a calibration of the judges is kept: written by `tierwise judge calibrate`, read at the start."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Final

from agents.judge.calibration import Calibration
from router_core.errors import ConfigurationError
from router_core.learning.judge_correction import Rates

_LARGEST: Final = 65_536
_NAMES: Final = tuple(item.name for item in fields(Rates))


def write_rates(file: Path, report: Calibration) -> None:
    """Raises `ConfigurationError` where the file cannot be written."""
    try:
        file.write_text(json.dumps({"rates": asdict(report.rates)}, indent=2) + "\n")
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be written: {error}") from error


def read_rates(file: Path) -> Rates:
    """Raises `ConfigurationError` for a file that is not one of ours."""
    try:
        with file.open("rb") as source:
            found = json.loads(source.read(_LARGEST))["rates"]
        good, bad = (_count(found[name]) for name in _NAMES[:2])
        sums = [float(found[name]) for name in _NAMES[2:]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ConfigurationError(f"jobs.judge_rates: {file} is not a calibration of judges") from error
    if not (0.0 <= sums[0] <= good and 0.0 <= sums[1] <= bad):
        raise ConfigurationError(f"jobs.judge_rates: {file}: a sum of scores is above its count")
    return Rates(good=good, bad=bad, good_scores=sums[0], bad_scores=sums[1])


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 10**9:
        raise ValueError("not a count")
    return value
