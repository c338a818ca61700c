"""Lays `TIERWISE_*` variables over a settings document: nesting by `__`, lists and tables as JSON.

`TIERWISE_SERVER__PORT=9000` sets `server.port`, `TIERWISE_TARGETS__0__MODEL=x` the first target's model, and
`TIERWISE_TARGETS='[{...}]'` all targets. A variable that names nothing is an error, since a silent typo would
leave a limit or a key unset.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, Final, get_args, get_origin

from gateway.settings.reading import known_fields, type_hints, unknown_key, without_none
from gateway.settings.schema import Settings
from gateway.settings.secrets import SecretRef
from router_core.errors import ConfigurationError

PREFIX: Final = "TIERWISE_"
OTHERS: Final = frozenset({"TIERWISE_CONFIG", "TIERWISE_ROUTING_DATA", "TIERWISE_URL", "TIERWISE_KEY"})
MAX_INDEX: Final = 1_000


def overlay(document: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """A copy of the document with the variables applied. Raises `ConfigurationError` naming the variable."""
    merged: dict[str, Any] = json.loads(json.dumps(document, default=str))
    ours = {name: text for name, text in environ.items() if name.startswith(PREFIX) and name not in OTHERS}
    # Whole lists before their elements, so that both may be given.
    for name in sorted(ours, key=lambda name: (name.count("__"), name)):
        if name not in _referenced(merged, ours):
            _apply(merged, name, ours[name])
    return merged


def _referenced(document: Any, ours: Mapping[str, str]) -> set[str]:
    """Variables that hold a secret some key refers to: no settings, and no mistake."""
    values = [*_texts(document), *(text for value in ours.values() for text in _texts(_json_or_text(value)))]
    return {text.removeprefix("env:") for text in values if text.startswith(f"env:{PREFIX}")}


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _apply(document: dict[str, Any], name: str, text: str) -> None:
    parts = name.removeprefix(PREFIX).lower().split("__")
    node: Any = document
    hint: Any = Settings
    for depth, part in enumerate(parts):
        last = depth == len(parts) - 1
        key, hint = _step(hint, part, name, parts)
        if last:
            value = _value(hint, text, name)
            _put(node, key, value, name)
        else:
            node = _descend(node, key, hint, name)


def _step(hint: Any, part: str, name: str, parts: list[str]) -> tuple[str | int, Any]:
    """The key for one part of the name and the type of what lies there."""
    if is_dataclass(hint):
        known = [item.name for item in known_fields(hint)]
        if part not in known:
            depth = parts.index(part)
            path = ".".join([*parts[:depth], part])
            raise ConfigurationError(f"{unknown_key(path, known)} (variable {name})")
        return part, without_none(type_hints(hint)[part])
    if get_origin(hint) is tuple and part.isdigit() and int(part) <= MAX_INDEX:
        return int(part), get_args(hint)[0]
    if get_origin(hint) is not None and get_origin(hint) is not tuple:
        return part, get_args(hint)[1]
    raise ConfigurationError(f"settings: variable {name} names nothing: {part} has no place there")


def _descend(node: Any, key: str | int, hint: Any, name: str) -> Any:
    empty: Any = [] if get_origin(hint) is tuple else {}
    if isinstance(node, list):
        if not isinstance(key, int) or key > len(node):
            raise ConfigurationError(f"settings: variable {name}: there is no such element")
        if key == len(node):
            node.append(empty)
        return node[key]
    return node.setdefault(key, empty) if isinstance(node, dict) else _not_there(name)


def _put(node: Any, key: str | int, value: Any, name: str) -> None:
    if isinstance(node, dict):
        node[key] = value
    elif isinstance(node, list) and isinstance(key, int) and key <= len(node):
        node[key : key + 1] = [value]
    else:
        _not_there(name)


def _not_there(name: str) -> Any:
    raise ConfigurationError(f"settings: variable {name}: the file has another type there")


def _value(hint: Any, text: str, name: str) -> Any:
    """A text as it is where a text belongs; otherwise JSON."""
    if hint in (str, Path, SecretRef):
        return text
    try:
        return json.loads(text, parse_constant=lambda _: _not_there(name))
    except (ValueError, RecursionError) as error:
        # A secret in the wrong variable must not show, so the text is not repeated.
        raise ConfigurationError(
            f"settings: variable {name} must hold JSON (a number, true, a list or a table)"
        ) from error
