"""Reads a policy text: an unknown key, a wrong type or a number out of range is an error that names the key.

Sections may be partial; what is missing has the default. The text is hostile until proven good: its size,
depth and numbers are bounded before anything is built.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, replace
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final

from router_core.errors import ConfigurationError
from router_core.inference import DEVICE_CLASSES, OBJECTIVES, PRIVACY_LEVELS, THERMALS, TIERS
from router_core.policy.deliberation import MODES, tenant_document, tenant_modes
from router_core.policy.document import KEYED_SECTIONS, SCHEMA, SECTIONS, Policy
from router_core.policy.guarding import guard_document, guard_policy
from router_core.policy.judging import METHODS, MOST_JUDGES
from router_core.policy.proposals import CANARY_BARS, PROPOSAL_MODES
from router_core.policy.verification import SHARES, WORDS

MAX_BYTES: Final = 8000
MAX_NUMBER: Final = 1e9
_FRACTIONS: Final = frozenset(
    {
        "agreement", "complex_at", "upset_at", "confidence_high", "confidence_low", "deadline_share", "device_confidence", "error_rate", "max_cpu_load",
        "max_exploration", "max_step", "min_battery", "rate", "sample_rate", "share", "stickiness", "sync_share", "unknown_health", "unsure_rate",
    }
    | SHARES
)  # fmt: skip
_AT_LEAST_ONE: Final = frozenset(
    {"attempts", "attempts_per_target", "failures", "judges", "min_samples", "max_output_tokens"}
)
_POSITIVE: Final = frozenset(
    {
        "latency_ms",
        "cost_usd",
        "energy_j",
        "deadline_ms",
        "stream_idle_ms",
        "saturation",
        "budget_ms",
        "every_h",
        "async_budget_ms",
    }
)
_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "max_privacy": PRIVACY_LEVELS,
    "level": PRIVACY_LEVELS,
    "max_thermal": THERMALS,
    "optimize": OBJECTIVES,
    "classes": ("simple", "complex", "critical", "batch"),
    "critical_devices": DEVICE_CLASSES,
    **WORDS,
    "method": METHODS,
    "mode": PROPOSAL_MODES,
    "canary_at": CANARY_BARS,
    "tiers": TIERS,
    **dict.fromkeys(("simple", "complex", "critical", "batch"), MODES),
}


def parse(text: str | bytes) -> Policy:
    """Parse and validate one document. Raises `ConfigurationError` naming the key."""
    try:
        document = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"policy: not valid JSON: {error}") from error
    return from_document(document)


def from_document(document: object) -> Policy:
    """Validate an already decoded document."""
    if not isinstance(document, dict):
        raise ConfigurationError("policy: must be a JSON object")
    values = dict(document)
    if values.pop("schema", SCHEMA) != SCHEMA:
        raise ConfigurationError(f"policy: schema must be {SCHEMA!r}")
    size = len(minified(document))
    if size > MAX_BYTES:
        raise ConfigurationError(f"policy: {size} bytes minified, the limit is {MAX_BYTES}")
    defaults = Policy()
    built: dict[str, Any] = {}
    for key, value in values.items():
        built[key] = _section(key, value, getattr(defaults, key, None))
    policy = Policy(**built)
    _cross_checks(policy)
    return replace(policy, sha256=sha256(minified(to_document(policy))).hexdigest())


def to_document(policy: Policy) -> dict[str, Any]:
    """The complete document, defaults included, in JSON types."""
    document: dict[str, Any] = {"schema": SCHEMA, "name": policy.name, "version": policy.version}
    for section in KEYED_SECTIONS:
        document[section] = {key: asdict(value) for key, value in getattr(policy, section).items()}
    for section in SECTIONS:
        document[section] = asdict(getattr(policy, section))
    document["guard"] = guard_document(policy.guard)
    document["raise_privacy_by_pii"] = policy.raise_privacy_by_pii
    document |= tenant_document(policy.deliberation_tenants)
    plain: dict[str, Any] = json.loads(json.dumps(document))
    return plain


def minified(document: Mapping[str, Any]) -> bytes:
    """Canonical bytes: sorted keys, no spaces."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _section(key: str, value: object, default: Any) -> Any:
    if key in KEYED_SECTIONS:
        names = KEYED_SECTIONS[key][1]
        table = _mapping(key, value)
        unknown = sorted(set(table) - set(names))
        if unknown:
            raise ConfigurationError(f"policy: unknown key {key}.{unknown[0]}; one of {', '.join(names)}")
        merged = {name: _fields(f"{key}.{name}", table[name], default[name]) for name in table}
        return MappingProxyType({**default, **merged})
    if key in SECTIONS:
        return _fields(key, value, default)
    if key == "version":
        return _number(key, value, integer=True, low=1)
    if key in _READERS:
        return _READERS[key](value)
    if key == "raise_privacy_by_pii":
        return _value(key, value, True)
    raise ConfigurationError(f"policy: unknown key {key}")


def _name(value: object) -> str:
    if not isinstance(value, str) or not value.replace("-", "").replace("_", "").isalnum() or len(value) > 64:
        raise ConfigurationError("policy: name must be 1 to 64 letters, digits, - or _")
    return value


_READERS: Final[Mapping[str, Callable[[object], Any]]] = {
    "name": _name,
    "guard": guard_policy,
    "deliberation_tenants": tenant_modes,
}


def _fields(path: str, value: object, default: Any) -> Any:
    table = _mapping(path, value)
    known = {f.name for f in fields(default)}
    for name in table:
        if name not in known:
            raise ConfigurationError(f"policy: unknown key {path}.{name}")
    changes = {name: _value(f"{path}.{name}", item, getattr(default, name)) for name, item in table.items()}
    return replace(default, **changes)


def _value(path: str, value: object, default: Any) -> Any:
    name = path.rpartition(".")[2]
    if value is None and default is None:
        return None
    if isinstance(default, bool):
        return _checked(path, value, isinstance(value, bool), "true or false")
    if isinstance(default, tuple):
        fits = isinstance(value, list) and all(item in _WORDS[name] for item in value)
        return tuple(_checked(path, value, fits, f"a list of {', '.join(_WORDS[name])}"))
    if name in _WORDS:
        return _checked(path, value, value in _WORDS[name], f"one of {', '.join(_WORDS[name])}")
    if name in ("residency", "hint_key"):
        fits = isinstance(value, str) and 0 < len(value) <= 32
        return _checked(path, value, fits, "a word of at most 32 characters")
    return _number(path, value, integer=isinstance(default, int), low=_low(name))


def _checked(path: str, value: Any, fits: bool, wanted: str) -> Any:
    if not fits:
        raise ConfigurationError(f"policy: {path} must be {wanted}")
    return value


def _low(name: str) -> float:
    if name in _AT_LEAST_ONE:
        return 1
    return 1e-9 if name in _POSITIVE else 0


def _number(path: str, value: object, *, integer: bool, low: float) -> float:
    high = 1.0 if path.rpartition(".")[2] in _FRACTIONS else MAX_NUMBER
    if isinstance(value, bool) or not isinstance(value, int if integer else (int, float)):
        raise ConfigurationError(f"policy: {path} must be {'an integer' if integer else 'a number'}")
    if not low <= value <= high:
        raise ConfigurationError(f"policy: {path} must be between {low:g} and {high:g}")
    return value if integer else float(value)


def _mapping(path: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigurationError(f"policy: {path} must be an object")
    return value


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is not JSON")


def _cross_checks(policy: Policy) -> None:
    if policy.tiers["cloud"].max_privacy == "restricted":
        raise ConfigurationError("policy: tiers.cloud.max_privacy must not be restricted")
    for name, weights in policy.objectives.items():
        if sum(asdict(weights).values()) <= 0:
            raise ConfigurationError(f"policy: objectives.{name} needs a weight above 0")
    if policy.thresholds.confidence_low > policy.thresholds.confidence_high:
        raise ConfigurationError("policy: thresholds.confidence_low must not be above confidence_high")
    if policy.judging.judges > MOST_JUDGES:
        raise ConfigurationError(f"policy: judging.judges must be between 1 and {MOST_JUDGES}")
