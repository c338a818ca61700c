"""What changed between two policies, key by key, so that a person can approve it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from router_core.policy.document import Policy
from router_core.policy.parse import to_document
from router_core.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One key whose value differs; `before` or `after` is None where the key is absent."""

    key: str
    before: Any
    after: Any


def diff(before: Policy, after: Policy) -> tuple[Change, ...]:
    """Changes in key order; equal policies give an empty tuple."""
    old, new = dict(_flat(to_document(before))), dict(_flat(to_document(after)))
    return tuple(
        Change(key=key, before=old.get(key), after=new.get(key))
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    )


def _flat(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{path}.")
        else:
            yield path, value
