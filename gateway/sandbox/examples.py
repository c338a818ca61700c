"""A value that satisfies a JSON schema: what a stand-in puts into tool arguments and structured answers.

It serves both stand-ins. Where the user's words name one of the allowed values, that one is taken, so that a
demonstration reads sensibly; everything else is the smallest valid value. Size and depth are bounded because
the schema comes from a client.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.sandbox.patterns import PatternError, example_for

MAX_NODES = 2_000
MAX_DEPTH = 32
MAX_TEXT_CHARACTERS = 4_096
_OPTIONAL_DEPTH = 4
_FILLER = "stand-in"
_FORMATS = {
    "date": "2026-01-15",
    "time": "09:30:00Z",
    "date-time": "2026-01-15T09:30:00Z",
    "duration": "PT5M",
    "email": "stand-in@example.com",
    "uri": "https://example.com/",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


class ExampleError(ValueError):
    """The schema allows no value that this generator can build; the message says why."""


@dataclass(slots=True)
class _Walk:
    root: Mapping[str, Any]
    hint: str
    nodes: int = field(default=0)

    def visit(self, depth: int) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES or depth > MAX_DEPTH:
            raise ExampleError("the schema is too large or refers to itself without end")


def example_of(schema: Mapping[str, Any], hint: str = "") -> Any:
    """A value valid against `schema`; `hint` is the user's text.

    Raises `ExampleError` for a schema that is malformed, too large, or cannot be met.
    """
    try:
        return _value(schema, _Walk(root=schema, hint=hint), 0)
    except (TypeError, AttributeError, KeyError, OverflowError, ValueError) as error:
        if isinstance(error, ExampleError):
            raise
        raise ExampleError(f"the schema is malformed: {error}") from error


def _value(schema: Any, walk: _Walk, depth: int) -> Any:
    walk.visit(depth)
    if schema is True or schema == {}:
        return _FILLER
    if not isinstance(schema, Mapping):
        raise ExampleError("a schema is a JSON object")
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return _chosen(schema["enum"], walk.hint)
    return _composed(schema, walk, depth)


def _composed(schema: Mapping[str, Any], walk: _Walk, depth: int) -> Any:
    if "$ref" in schema:
        return _value(_resolve(schema["$ref"], walk.root), walk, depth + 1)
    if "allOf" in schema:
        return _value(_merged(schema, walk), walk, depth + 1)
    union = next((name for name in ("anyOf", "oneOf") if name in schema), None)
    return _typed(schema, walk, depth) if union is None else _first_possible(schema, union, walk, depth)


def _typed(schema: Mapping[str, Any], walk: _Walk, depth: int) -> Any:
    kind = _kind(schema)
    if kind == "object":
        return _object(schema, walk, depth)
    if kind == "array":
        return _array(schema, walk, depth)
    if kind == "string":
        return _string(schema, walk.hint)
    if kind in {"integer", "number"}:
        return _number(schema, whole=kind == "integer")
    if kind in {"boolean", "null"}:
        return True if kind == "boolean" else None
    raise ExampleError(f"unknown type {kind!r}")


def _kind(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((name for name in kind if name != "null"), "null")
    if kind is None:
        guesses = (("properties", "object"), ("items", "array"), ("minimum", "number"), ("maximum", "number"))
        kind = next((guess for key, guess in guesses if key in schema), "string")
    return str(kind)


def _resolve(reference: str, root: Mapping[str, Any]) -> Any:
    if not reference.startswith("#"):
        raise ExampleError("only references inside the schema are followed")
    target: Any = root
    for part in reference.lstrip("#").strip("/").split("/"):
        if part:
            target = target[part.replace("~1", "/").replace("~0", "~")]
    return target


def _merged(schema: Mapping[str, Any], walk: _Walk) -> dict[str, Any]:
    merged: dict[str, Any] = {key: value for key, value in schema.items() if key != "allOf"}
    for part in schema["allOf"]:
        walk.visit(0)
        seen = part
        while "$ref" in seen:
            walk.visit(0)
            seen = _resolve(seen["$ref"], walk.root)
        for key, value in seen.items():
            if key == "properties":
                merged[key] = {**merged.get(key, {}), **value}
            elif key == "required":
                merged[key] = [*merged.get(key, []), *value]
            else:
                merged[key] = value
    return merged


def _first_possible(schema: Mapping[str, Any], union: str, walk: _Walk, depth: int) -> Any:
    common = {key: value for key, value in schema.items() if key != union}
    problem = ExampleError(f"{union} is empty")
    for branch in schema[union]:
        try:
            return _value({**common, **branch} if common else branch, walk, depth + 1)
        except ExampleError as error:
            problem = error
    raise problem


def _chosen(allowed: list[Any], hint: str) -> Any:
    if not allowed:
        raise ExampleError("enum is empty")
    words = hint.lower()
    named = (value for value in allowed if isinstance(value, str) and value and value.lower() in words)
    return next(named, allowed[0])


def _object(schema: Mapping[str, Any], walk: _Walk, depth: int) -> dict[str, Any]:
    properties: Mapping[str, Any] = schema.get("properties", {})
    required = list(schema.get("required", []))
    made: dict[str, Any] = {}
    for name, inner in properties.items():
        # Deep optional parts are left out: that is what ends a schema that refers to itself.
        if name in required or depth < _OPTIONAL_DEPTH:
            made[name] = _value(inner, walk, depth + 1)
    for name in required:
        if name not in made:
            made[name] = _value(_extra(schema), walk, depth + 1)
    for index in range(int(schema.get("minProperties", 0)) - len(made)):
        made[f"extra_{index}"] = _value(_extra(schema), walk, depth + 1)
    return made


def _extra(schema: Mapping[str, Any]) -> Any:
    extra = schema.get("additionalProperties", True)
    if extra is False:
        raise ExampleError("a property is required that the schema forbids")
    return extra


def _array(schema: Mapping[str, Any], walk: _Walk, depth: int) -> list[Any]:
    fixed = [_value(inner, walk, depth + 1) for inner in schema.get("prefixItems", [])]
    least = int(schema.get("minItems", 0))
    most = schema.get("maxItems")
    wanted = least if depth >= _OPTIONAL_DEPTH else max(least, 1)
    if most is not None:
        wanted = min(wanted, int(most))
    items = schema.get("items", True)
    if items is False:
        return fixed
    made = fixed + [_value(items, walk, depth + 1) for _ in range(min(wanted, MAX_NODES) - len(fixed))]
    return _distinct(made, items) if schema.get("uniqueItems") else made


def _distinct(values: list[Any], items: Any) -> list[Any]:
    """Make repeated simple values different from each other; enum members are taken in turn."""
    if isinstance(items, Mapping) and "enum" in items:
        return list(items["enum"])[: len(values)]
    shaped = isinstance(items, Mapping) and not {"pattern", "const", "format", "maxLength"} & set(items)
    for index, value in enumerate(values):
        if index and shaped and isinstance(value, str):
            values[index] = f"{value}-{index}"
        elif index and shaped and isinstance(value, int | float) and not isinstance(value, bool):
            values[index] = value + index * items.get("multipleOf", 1)
        elif value in values[:index]:
            raise ExampleError("distinct items cannot be made for this schema")
    return values


def _string(schema: Mapping[str, Any], hint: str) -> str:
    if "pattern" in schema:
        try:
            text = example_for(schema["pattern"])
        except PatternError as error:
            raise ExampleError(str(error)) from error
    else:
        text = _FORMATS.get(schema.get("format", ""), "") or _name_in(hint) or _FILLER
    least, most = int(schema.get("minLength", 0)), int(schema.get("maxLength", MAX_TEXT_CHARACTERS))
    shaped = "pattern" in schema or "format" in schema
    if not least <= min(most, MAX_TEXT_CHARACTERS) or (shaped and not least <= len(text) <= most):
        raise ExampleError("no text of the asked length can be made")
    return text[:most].ljust(least, "x")


def _name_in(hint: str) -> str:
    """The last capitalised word behind the first one: often the place or person that is meant."""
    words = [word.strip(".,;:!?\"'()") for word in hint[:2_000].split()[1:]]
    names = [word for word in words if len(word) > 2 and word.isalpha() and word[0].isupper()]
    return names[-1] if names else ""


def _number(schema: Mapping[str, Any], *, whole: bool) -> int | float:
    """The simplest number among a few likely ones that keeps every limit."""
    step = schema.get("multipleOf") or (1 if whole else 0)
    low = _limit(schema, "minimum", "exclusiveMinimum", -math.inf)
    high = _limit(schema, "maximum", "exclusiveMaximum", math.inf)
    likely = [1, 0, low, high, (low + high) / 2, low + 1, high - 1]
    if step:
        edges = [math.floor(edge / step) for edge in (low, high, step) if math.isfinite(edge / step)]
        likely = [count * step for edge in edges for count in (edge, edge + 1, edge - 1)]
    for value in sorted(likely, key=lambda number: (number != 1, number != 0)):
        if math.isfinite(value) and _within(value, schema, step):
            return int(value) if whole else value
    raise ExampleError("no number fits the limits")


def _limit(schema: Mapping[str, Any], plain: str, exclusive: str, otherwise: float) -> float:
    given = schema.get(exclusive, schema.get(plain, otherwise))
    return otherwise if isinstance(given, bool) else given


def _within(value: float, schema: Mapping[str, Any], step: float) -> bool:
    if not schema.get("minimum", -math.inf) <= value <= schema.get("maximum", math.inf):
        return False
    low, high = schema.get("exclusiveMinimum", -math.inf), schema.get("exclusiveMaximum", math.inf)
    inside = (isinstance(low, bool) or low < value) and (isinstance(high, bool) or value < high)
    return inside and (not step or math.isclose(value / step, round(value / step), abs_tol=1e-9))
