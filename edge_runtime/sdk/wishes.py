"""Whether the wishes of a call are ones that exist: a misspelt `privacy` must be an error and never a request that leaves.

What is wrong is the program's fault, so it raises Python's own TypeError and ValueError, no `ClientError`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from edge_runtime.sdk.answers import Wishes
from router_core.inference import OBJECTIVES, PRIVACY_LEVELS, TASKS, TIERS

_KNOWN: Final = frozenset(Wishes.__annotations__)
_WORDS: Final[Mapping[str, Sequence[str]]] = {
    "task": TASKS,
    "optimize": OBJECTIVES,
    "privacy": PRIVACY_LEVELS,
    "when_offline": ("fail", "queue"),
}
_RANGES: Final[Mapping[str, tuple[float, float]]] = {
    "max_latency_ms": (1.0, 600_000.0),
    "max_cost_usd": (0.0, 1e9),
    "min_quality": (0.0, 1.0),
    "max_tokens": (1, 1_000_000),
    "temperature": (0.0, 2.0),
    "deadline_s": (0.0, 86_400.0),
}


def check_wishes(wishes: Wishes) -> None:
    """Raises TypeError for a wish that does not exist and ValueError for a value that it cannot have."""
    if not wishes:
        return
    unknown = wishes.keys() - _KNOWN
    if unknown:
        raise TypeError(
            f"there is no wish {', '.join(sorted(unknown))!s}; known are {', '.join(sorted(_KNOWN))}"
        )
    values: Mapping[str, Any] = wishes
    for name, value in values.items():
        if value is not None and not _possible(name, value):
            raise ValueError(f"{name} cannot be {str(value)[:80]!r}")


def _possible(name: str, value: Any) -> bool:
    if name in _WORDS:
        return value in _WORDS[name]
    if name in _RANGES:
        low, high = _RANGES[name]
        number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        return number and low <= value <= high
    if name == "tiers":
        return not isinstance(value, str) and bool(value) and all(tier in TIERS for tier in value)
    return name != "response_format" or isinstance(value, Mapping)
