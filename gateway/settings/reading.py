"""Turns a decoded document into settings: every wrong key, type or number is an error that names it.

Values are never repeated in an error, because a value in the wrong place may be a secret.
"""

from __future__ import annotations

import math
import re
import types
from collections.abc import Callable, Mapping
from dataclasses import Field, fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from gateway.settings.secrets import SecretRef, parse_reference
from router_core.errors import ConfigurationError

T = TypeVar("T")
MAX_ITEMS: Final = 10_000


def read(cls: type[T], document: object, path: str = "") -> T:
    """Build the dataclass `cls` from JSON-like values. Raises `ConfigurationError`."""
    table = _table(document, path or "the document")
    known = {item.name: item for item in known_fields(cls)}
    for key in table:
        if key not in known:
            raise ConfigurationError(unknown_key(_join(path, str(key)), list(known)))
    hints = type_hints(cls)
    values = {key: _field(known[key], hints[key], value, _join(path, key)) for key, value in table.items()}
    return cls(**values)


def unknown_key(path: str, known: list[str]) -> str:
    """The message for a key that does not exist, with the nearest one that does."""
    name = path.rpartition(".")[2]
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    hint = (
        f"did you mean {path[: -len(name)]}{near[0]}?" if near else f"known here: {', '.join(sorted(known))}"
    )
    return f"settings: unknown key {path}; {hint}"


def known_fields(cls: Any) -> list[Field[Any]]:
    """Fields a user may set."""
    return [item for item in fields(cls) if not item.metadata.get("internal")]


def type_hints(cls: Any) -> dict[str, Any]:
    """Resolved annotations of a settings class."""
    return get_type_hints(cls)


def without_none(hint: Any) -> Any:
    """`X | None` as X, a literal as the text it is; anything else unchanged."""
    if get_origin(hint) in (Union, types.UnionType):
        return next(item for item in get_args(hint) if item is not type(None))
    return str if get_origin(hint) is Literal else hint


def _field(item: Field[Any], hint: Any, value: object, path: str) -> Any:
    if value is None and type(None) in get_args(hint):
        return None
    kind = without_none(hint)
    origin = get_origin(kind)
    if is_dataclass(kind) and kind is not SecretRef:
        return read(kind, value, path)  # type: ignore[arg-type]  # a dataclass that is a class, by the hint
    if origin is tuple:
        return _list(item, get_args(kind)[0], value, path)
    if origin is not None:
        return _mapping(get_args(kind)[1], value, path)
    return _checked(item.metadata, _CONVERTERS[kind](value, path), path)


def _list(item: Field[Any], element: Any, value: object, path: str) -> tuple[Any, ...]:
    if not isinstance(value, list) or len(value) > MAX_ITEMS:
        raise ConfigurationError(f"settings: {path} must be a list")
    if is_dataclass(element):
        return tuple(read(element, entry, f"{path}[{i}]") for i, entry in enumerate(value))  # type: ignore[arg-type]  # a class, by the hint
    return tuple(
        _checked(item.metadata, _text(entry, f"{path}[{i}]"), f"{path}[{i}]") for i, entry in enumerate(value)
    )


def _mapping(element: Any, value: object, path: str) -> dict[str, Any]:
    table = _table(value, path)
    return {str(key): _CONVERTERS[element](entry, _join(path, str(key))) for key, entry in table.items()}


def _table(value: object, path: str) -> Mapping[str, Any]:
    if not isinstance(value, dict) or len(value) > MAX_ITEMS:
        raise ConfigurationError(f"settings: {path} must be a table")
    return value


def _checked(rules: Mapping[str, Any], value: Any, path: str) -> Any:
    if "low" in rules and not rules["low"] <= value <= rules["high"]:
        raise ConfigurationError(f"settings: {path} must be between {rules['low']:g} and {rules['high']:g}")
    if "choices" in rules and value not in rules["choices"]:
        raise ConfigurationError(f"settings: {path} must be one of {', '.join(rules['choices'])}")
    if "pattern" in rules and not re.fullmatch(rules["pattern"], value):
        raise ConfigurationError(f"settings: {path} must be {rules['meaning']}")
    return value


def _text(value: object, path: str) -> str:
    if not isinstance(value, str) or not value or len(value) > 4096:
        raise ConfigurationError(f"settings: {path} must be a text of 1 to 4096 characters")
    return value


def _integer(value: object, path: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigurationError(f"settings: {path} must be a whole number")
    return value


def _number(value: object, path: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ConfigurationError(f"settings: {path} must be a number")
    return float(value)


def _switch(value: object, path: str) -> bool:
    if not isinstance(value, bool):
        raise ConfigurationError(f"settings: {path} must be true or false")
    return value


def _secret(value: object, path: str) -> SecretRef:
    # Any wrong type takes the same way as a literal secret: named, never repeated.
    return parse_reference(value if isinstance(value, str) else "", path)


_CONVERTERS: Final[Mapping[Any, Callable[[object, str], Any]]] = {
    str: _text,
    int: _integer,
    float: _number,
    bool: _switch,
    Path: lambda value, path: Path(_text(value, path)),
    SecretRef: _secret,
}


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
