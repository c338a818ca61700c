"""The policy bundle: all that a device needs to decide as its gateway would, for as long as the bundle is valid.

Policy and targets travel together, because a score means nothing without both. A device ignores what a newer gateway
says of a target in words it does not know, and refuses a bundle that it cannot read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from router_core.errors import ConfigurationError
from router_core.policy.document import Policy
from router_core.policy.parse import from_document, to_document
from router_core.resources import ResourceState, Target, TargetSpec, TargetState

SCHEMA: Final = 1
MAX_TARGETS: Final = 1_000
_SPEC: Final = frozenset(field.name for field in fields(TargetSpec))
_STATE: Final = frozenset(field.name for field in fields(TargetState))


class BundleError(Exception):
    """The payload is signed but cannot be used: another schema, a policy that is refused, a target without a name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """`serial` grows with every issue; times are wall seconds since the epoch. `models` is the catalogue as sent."""

    serial: int
    issued_s: float
    expires_s: float
    policy: Policy
    state: ResourceState
    models: tuple[Mapping[str, Any], ...] = ()


def bundle_document(
    policy: Policy, targets: Sequence[Target], models: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """What a bundle says, without when it was said."""
    return {
        "schema": SCHEMA,
        "policy": {"label": policy.label, "sha256": policy.sha256, "document": to_document(policy)},
        "targets": [asdict(target) for target in targets],
        "models": [dict(model) for model in models],
    }


def bundle_payload(document: Mapping[str, Any], *, issued_s: float, ttl_s: float) -> bytes:
    """The bytes to sign."""
    issue = {"serial": int(issued_s * 1000), "issued_s": issued_s, "expires_s": issued_s + ttl_s}
    return json.dumps({**document, **issue}, sort_keys=True, separators=(",", ":")).encode()


def read_bundle(payload: bytes) -> Bundle:
    """Raises `BundleError`. The payload's signature was checked before."""
    try:
        document = json.loads(payload)
        if document["schema"] != SCHEMA:
            raise BundleError(f"this bundle has schema {str(document['schema'])[:16]}, not {SCHEMA}")
        targets = document["targets"]
        if len(targets) > MAX_TARGETS:
            raise BundleError(f"more than {MAX_TARGETS} targets")
        return Bundle(
            serial=int(document["serial"]),
            issued_s=float(document["issued_s"]),
            expires_s=float(document["expires_s"]),
            policy=from_document(document["policy"]["document"]),
            state=ResourceState.of(tuple(_target(each) for each in targets)),
            models=tuple(document.get("models", ())),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, ConfigurationError) as error:
        raise BundleError(f"this bundle cannot be used: {error}") from error


def _target(item: Mapping[str, Any]) -> Target:
    spec: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in item["spec"].items()
        if name in _SPEC
    }
    state: dict[str, Any] = {name: value for name, value in item["state"].items() if name in _STATE}
    return Target(spec=TargetSpec(**spec), state=TargetState(**state))
