"""What operators may change about asynchronous requests while workers run: who judges, how much is judged, and limits.

A document that says nothing changes nothing. The form is `router_core/data/jobs-tuning.schema.json`, with which AppConfig checks a
version before it rolls it out; the same is checked here, because a file has nobody else who does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from router_core.record import dataclass

SCHEMA: Final = "tierwise.jobs/1"
MAX_BYTES: Final = 64 * 1024
_TARGET: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,95}")
_MOST_JUDGES: Final = 16
_RATES: Final = ("rate", "unsure_rate")
_LIMITS: Final = {"max_waiting": 10_000_000, "running": 256}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """What is changed; None leaves what the policy or the settings say."""

    judges: tuple[str, ...] | None = None
    rate: float | None = None
    unsure_rate: float | None = None
    max_waiting: int | None = None
    running: int | None = None


NOTHING: Final = Tuning()


def parse(content: bytes) -> Tuning:
    """The tuning in a document. Raises ValueError that names the key and repeats no value."""
    if len(content) > MAX_BYTES:
        raise ValueError(f"the document has more than {MAX_BYTES} bytes")
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise ValueError("the document is not JSON") from None
    found = _object(document, "the document", ("schema", "judges", "sampling", "limits"))
    if found.get("schema") != SCHEMA:
        raise ValueError(f"schema must be {SCHEMA}")
    sampling = _object(found.get("sampling", {}), "sampling", _RATES)
    limits = _object(found.get("limits", {}), "limits", tuple(_LIMITS))
    rates = {name: _rate(sampling[name], f"sampling.{name}") for name in sampling}
    counts = {name: _count(limits[name], f"limits.{name}", _LIMITS[name]) for name in limits}
    judges = _judges(found["judges"]) if "judges" in found else None
    return Tuning(judges=judges, **rates, **counts)  # type: ignore[arg-type]  # names were checked above


def _object(value: Any, name: str, known: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{name} must be an object")
    if not set(value) <= set(known):
        raise ValueError(f"{name} knows {', '.join(known)} only")
    return value


def _rate(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= 1.0:
        raise ValueError(f"{name} must be a number between 0 and 1")
    return float(value)


def _count(value: Any, name: str, most: int) -> int:
    whole = isinstance(value, float) and value.is_integer()
    if isinstance(value, bool) or not (isinstance(value, int) or whole) or not 1 <= value <= most:
        raise ValueError(f"{name} must be a whole number between 1 and {most}")
    return int(value)


def _judges(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > _MOST_JUDGES:
        raise ValueError(f"judges must be a list of at most {_MOST_JUDGES} targets")
    if any(not isinstance(one, str) or not _TARGET.fullmatch(one) for one in value):
        raise ValueError("judges must be names of targets")
    if len(set(value)) != len(value):
        raise ValueError("judges must be different targets")
    return tuple(value)
