"""Lays `TIERWISE_*` variables, and parameters of Parameter Store, over a settings document: nesting by `__` or `/`,
lists and tables as JSON.

`TIERWISE_SERVER__PORT=9000` sets `server.port`, `TIERWISE_TARGETS__0__MODEL=x` the first target's model, and
`TIERWISE_TARGETS='[{...}]'` all targets; so do the parameters `.../server/port`, `.../targets/0/model` and
`.../targets`. A variable or a parameter that names nothing is an error, since a silent typo would leave a limit or a key
unset.
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
from router_core.deployment import ENV, SETTINGS_SSM, STAGE, SYNC_WORKFLOW_ARN, WORKFLOW_ARN
from router_core.errors import ConfigurationError

PREFIX: Final = "TIERWISE_"
OTHERS: Final = frozenset(
    {
        *("TIERWISE_CONFIG", "TIERWISE_ROUTING_DATA", "TIERWISE_URL", "TIERWISE_KEY"),
        *(ENV, STAGE, WORKFLOW_ARN, SYNC_WORKFLOW_ARN, SETTINGS_SSM),
    }
)
MAX_INDEX: Final = 1_000


def overlay(document: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """A copy of the document with the variables applied. Raises `ConfigurationError` naming the variable."""
    merged: dict[str, Any] = json.loads(json.dumps(document, default=str))
    ours = {name: text for name, text in environ.items() if name.startswith(PREFIX) and name not in OTHERS}
    # Whole lists before their elements, so that both may be given.
    for name in sorted(ours, key=lambda name: (name.count("__"), name)):
        if name not in _referenced(merged, ours):
            parts = name.removeprefix(PREFIX).lower().split("__")
            _apply(merged, parts, ours[name], f"variable {name}")
    return merged


def overlay_parameters(
    document: Mapping[str, Any], prefix: str, parameters: Mapping[str, str]
) -> dict[str, Any]:
    """A copy of the document with the parameters applied, by path below `prefix`. Raises `ConfigurationError` naming
    the parameter."""
    merged: dict[str, Any] = json.loads(json.dumps(document, default=str))
    for path in sorted(parameters, key=lambda path: (path.count("/"), path)):
        _apply(merged, path.split("/"), parameters[path], f"parameter {prefix.rstrip('/')}/{path}")
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


def _apply(document: dict[str, Any], parts: list[str], text: str, source: str) -> None:
    """`source` names where the text is from, for the error."""
    node: Any = document
    hint: Any = Settings
    for depth, part in enumerate(parts):
        last = depth == len(parts) - 1
        key, hint = _step(hint, part, source, parts)
        if last:
            value = _value(hint, text, source)
            _put(node, key, value, source)
        else:
            node = _descend(node, key, hint, source)


def _step(hint: Any, part: str, source: str, parts: list[str]) -> tuple[str | int, Any]:
    """The key for one part of the name and the type of what lies there."""
    if is_dataclass(hint):
        known = [item.name for item in known_fields(hint)]
        if part not in known:
            depth = parts.index(part)
            path = ".".join([*parts[:depth], part])
            raise ConfigurationError(f"{unknown_key(path, known)} ({source})")
        return part, without_none(type_hints(hint)[part])
    if get_origin(hint) is tuple and part.isdigit() and int(part) <= MAX_INDEX:
        return int(part), get_args(hint)[0]
    if get_origin(hint) is not None and get_origin(hint) is not tuple:
        return part, get_args(hint)[1]
    raise ConfigurationError(f"settings: {source} names nothing: {part} has no place there")


def _descend(node: Any, key: str | int, hint: Any, source: str) -> Any:
    empty: Any = [] if get_origin(hint) is tuple else {}
    if isinstance(node, list):
        if not isinstance(key, int) or key > len(node):
            raise ConfigurationError(f"settings: {source}: there is no such element")
        if key == len(node):
            node.append(empty)
        return node[key]
    return node.setdefault(key, empty) if isinstance(node, dict) else _not_there(source)


def _put(node: Any, key: str | int, value: Any, source: str) -> None:
    if isinstance(node, dict):
        node[key] = value
    elif isinstance(node, list) and isinstance(key, int) and key <= len(node):
        node[key : key + 1] = [value]
    else:
        _not_there(source)


def _not_there(source: str) -> Any:
    raise ConfigurationError(f"settings: {source}: the file has another type there")


def _value(hint: Any, text: str, source: str) -> Any:
    """A text as it is where a text belongs; otherwise JSON."""
    if hint in (str, Path, SecretRef):
        return text
    try:
        return json.loads(text, parse_constant=lambda _: _not_there(source))
    except (ValueError, RecursionError) as error:
        # A secret in the wrong variable must not show, so the text is not repeated.
        raise ConfigurationError(
            f"settings: {source} must hold JSON (a number, true, a list or a table)"
        ) from error
