"""When a model will be asked for, from when it was: hours of working days and of weekends in which it was used lately.

A habit shows as an hour that is used on most days of its kind; two weeks ago counts half. No text and no time of a single
use is kept, only a weight per hour.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final

LIKELY: Final = 0.5
"""From this chance on, a model is opened before it is asked for."""
AHEAD_S: Final = 600.0
_HALF_LIFE_DAYS: Final = 14.0
_LOOKED_BACK_DAYS: Final = 56
_DOUBT: Final = 1.0
"""Days without use that are taken for granted: one day does not make a habit."""
_MODELS: Final = 64
Bin = tuple[str, int, int]


class Foresight:
    """`file` keeps it between starts, None keeps nothing; `local` makes a local time of wall seconds."""

    def __init__(
        self, file: Path | None = None, local: Callable[[float], time.struct_time] = time.localtime
    ) -> None:
        self._file, self._local = file, local
        self._used: dict[Bin, tuple[int, float]] = {}
        self._since: int | None = None
        if file is not None and file.is_file():
            self._read(file)

    def note(self, model: str, now_s: float) -> None:
        """The model is used now; the first time in an hour it counts."""
        day, weekend, hour = self._place(now_s)
        self._since = day if self._since is None else min(self._since, day)
        key = (model, weekend, hour)
        last, weight = self._used.get(key, (-1, 0.0))
        if last == day or (last < 0 and len({name for name, _, _ in self._used} | {model}) > _MODELS):
            return
        self._used[key] = (day, weight * _faded(day - last) + 1.0 if last >= 0 else 1.0)
        self._write()

    def chance(self, model: str, now_s: float) -> float:
        """That it is used in the hour that has begun in ten minutes, in [0, 1]."""
        day, weekend, hour = self._place(now_s + AHEAD_S)
        last, weight = self._used.get((model, weekend, hour), (-1, 0.0))
        if last < 0 or self._since is None:
            return 0.0
        first = max(self._since, day - _LOOKED_BACK_DAYS)
        seen = sum(_faded(day - one) for one in range(first, day) if _is_weekend(one) == weekend)
        used = weight * _faded(day - last) - (1.0 if last == day else 0.0)
        return min(1.0, max(0.0, used) / (seen + _DOUBT))

    def _place(self, now_s: float) -> tuple[int, int, int]:
        when = self._local(now_s)
        day = date(when.tm_year, when.tm_mon, when.tm_mday).toordinal()
        return day, _is_weekend(day), when.tm_hour

    def _read(self, file: Path) -> None:
        """A file that is not ours says nothing: habits are learned anew."""
        try:
            found = json.loads(file.read_bytes()[:262_144])
            since, used = found["since"], found["used"]
            rows = [_row(row) for row in used]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return
        if isinstance(since, int):
            self._since, self._used = since, dict(rows)

    def _write(self) -> None:
        if self._file is None:
            return
        rows = [[*key, day, round(weight, 4)] for key, (day, weight) in self._used.items()]
        document: Mapping[str, Any] = {"since": self._since, "used": rows}
        part = self._file.with_suffix(".part")
        try:
            part.write_text(json.dumps(document))
            os.replace(part, self._file)
        except OSError:
            return  # a full disk costs the habit, not the answer


def _is_weekend(day: int) -> int:
    return int(date.fromordinal(day).weekday() >= 5)


def _faded(days: int) -> float:
    return float(0.5 ** (days / _HALF_LIFE_DAYS))


def _row(row: Any) -> tuple[Bin, tuple[int, float]]:
    name, weekend, hour, day, weight = row
    if not isinstance(name, str) or len(name) > 96 or weekend not in (0, 1) or hour not in range(24):
        raise ValueError("not a habit")
    return (name, weekend, hour), (int(day), min(100.0, max(0.0, float(weight))))
