"""Replayed decisions as columns of numbers: about 350 bytes each, so that half a million fit and sums take no loops."""

from __future__ import annotations

from array import array
from collections import Counter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from router_core.inference import TIERS
from router_core.learning.off_policy.estimators import Rows
from router_core.record import dataclass

Array = NDArray[np.float64]
METRICS: Final = ("quality", "cost_usd", "latency_ms", "errors")
_PARTS: Final = ("seen", "expected", "new", "old", "spread.new", "spread.old", "spread.difference")
NAMES: Final = (
    *(f"{metric}.{part}" for metric in METRICS for part in _PARTS),
    "weight.new", "weight.old", "untried.new", "untried.old", "filled.new", "filled.old", "gain", "loss", "changed",
    *(f"{side}.{tier}" for side in ("new", "old") for tier in TIERS),
)  # fmt: skip


class Columns:
    """Rows are added one by one, and read as arrays. `classes` and `tenants` name each row's group."""

    def __init__(self) -> None:
        self._values = {name: array("d") for name in NAMES}
        self.classes: list[str] = []
        self.tenants: list[str] = []

    def __len__(self) -> int:
        return len(self.classes)

    def add(self, request_class: str, tenant: str, row: dict[str, float]) -> None:
        """One decision; a name that the row leaves out counts as 0."""
        self.classes.append(request_class)
        self.tenants.append(tenant)
        for name, values in self._values.items():
            values.append(row.get(name, 0.0))

    def __getitem__(self, name: str) -> Array:
        return np.frombuffer(self._values[name]) if len(self) else np.zeros(0)

    def groups(self, most: int) -> dict[str, NDArray[np.bool_]]:
        """Every class, and the `most` busiest tenants, each with its rows."""
        found: dict[str, NDArray[np.bool_]] = {}
        for kind, names in (("class", self.classes), ("tenant", self.tenants)):
            each = np.array(names, dtype=object)
            for name, _ in Counter(names).most_common(most):
                found[f"{kind} {name}"] = each == name
        return found

    def rows(self, metric: str, side: str) -> Rows:
        """One metric under the `new` policy, the `old` one, or as their `difference`. Only quality has bounds, so only
        of quality is the untried part left open; of costs and times the model's word is taken."""
        spread = self[f"{metric}.spread.{side}"]
        seen, expected = self[f"{metric}.seen"], self[f"{metric}.expected"]
        none = np.zeros(len(self))
        bounded = metric == "quality"
        if side == "difference":
            return Rows(
                seen=seen,
                expected=expected,
                weight=self["weight.new"] - self["weight.old"],
                model=self[f"{metric}.new"] - self[f"{metric}.old"],
                spread=spread,
                untried=self["filled.new"] - self["filled.old"] if bounded else none,
                worst=-self["loss"] if bounded else none,
                best=self["gain"] if bounded else none,
            )
        return Rows(
            seen=seen,
            expected=expected,
            weight=self[f"weight.{side}"],
            model=self[f"{metric}.{side}"],
            spread=spread,
            untried=self[f"filled.{side}"] if bounded else none,
            worst=none,
            best=self[f"untried.{side}"] if bounded else none,
        )


@dataclass(slots=True)
class Counts:
    """What is counted beside the columns: broken demands, choices that the old policy forbids, decisions left out, all by
    reason; and requests for which a policy finds no target."""

    violations: Counter[str]
    newly_permitted: Counter[str]
    left_out: Counter[str]
    refused_new: int = 0
    refused_old: int = 0
