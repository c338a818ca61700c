"""A permission of a function: actions by name, on resources by address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Actions on resources. `reason` says why a wildcard cannot be narrower."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    reason: str | None = None
    conditions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if any("*" in action for action in self.actions):
            raise ValueError(f"actions are named one by one: {', '.join(self.actions)}")
        if self.wildcards and not self.reason:
            raise ValueError(f"a wildcard needs a reason: {', '.join(self.wildcards)}")

    @property
    def wildcards(self) -> tuple[str, ...]:
        return tuple(resource for resource in self.resources if "*" in resource)
