"""Whether an answer has the form that was asked for: whole, of the schema, with the offered tools, in the units we speak.

Only what can be read off the answer itself. A schema's keywords are those that say what a caller's program would trip over;
others are passed over, so a well-formed answer is never called malformed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from router_core.execution import Output
from router_core.inference import Params

DEEPEST: Final = 16
_CLOCK: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_PERCENT: Final = frozenset({"brightness", "level", "position", "percent_off"})
_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "object": (dict,), "array": (list,), "string": (str,), "boolean": (bool,), "null": (type(None),),
    "integer": (int,), "number": (int, float),
}  # fmt: skip


def malformed(task: str, params: Params, output: Output) -> bool:
    """Whether the first answer lacks the form of its task, its response format or its tools."""
    first = output.first
    if first.tool_calls:
        return not all(_offered(call, params) for call in first.tool_calls)
    if output.json is not None:
        return task == "command" and not _commands(output.json)
    if not (first.text or "").strip() or first.finish_reason == "length":
        return True
    if params.wants_json:
        found, value = parsed(first.text)
        schema = ((params.response_format or {}).get("json_schema") or {}).get("schema") or {}
        return not found or not fits(value, schema)
    return False


def parsed(text: str | None) -> tuple[bool, Any]:
    """Whether the text is JSON, and what it says."""
    try:
        return True, json.loads(text or "")
    except (ValueError, RecursionError):
        return False, None


def fits(value: Any, schema: Any, depth: int = 0) -> bool:
    """Whether a value has the types, keys and words that a JSON schema asks for."""
    if not isinstance(schema, Mapping) or depth > DEEPEST:
        return True
    if "enum" in schema and value not in schema["enum"]:
        return False
    if not _typed(value, schema.get("type")):
        return False
    if isinstance(value, dict):
        known = schema.get("properties") or {}
        return all(key in value for key in schema.get("required") or ()) and all(
            fits(item, known.get(key, {}), depth + 1) for key, item in value.items()
        )
    if isinstance(value, list):
        return all(fits(item, schema.get("items"), depth + 1) for item in value)
    return True


def _typed(value: Any, kinds: Any) -> bool:
    names = [kinds] if isinstance(kinds, str) else kinds if isinstance(kinds, list) else []
    wanted = [_TYPES[name] for name in names if name in _TYPES]
    if not wanted:
        return True
    if isinstance(value, bool):
        return any(bool in types for types in wanted)
    return any(isinstance(value, types) for types in wanted)


def _offered(call: Mapping[str, Any], params: Params) -> bool:
    """A tool that was offered, with arguments of its schema."""
    function = call.get("function") or {}
    tools = {tool["function"]["name"]: tool["function"] for tool in params.tools if tool.get("function")}
    if function.get("name") not in tools:
        return False
    found, arguments = parsed(function.get("arguments") or "{}")
    return found and fits(arguments, {"type": "object", **(tools[function["name"]].get("parameters") or {})})


def _commands(value: Mapping[str, Any]) -> bool:
    """At least one command, each an intent with slots in our units: whole seconds, "HH:MM", percent."""
    commands = value.get("commands")
    if not isinstance(commands, list) or not commands:
        return False
    return all(
        isinstance(one, Mapping)
        and isinstance(one.get("intent"), str)
        and isinstance(one.get("slots", {}), Mapping)
        and all(_in_unit(name, slot) for name, slot in one.get("slots", {}).items())
        for one in commands
    )


def _in_unit(name: str, value: Any) -> bool:
    if name.endswith("_s"):
        return isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if name == "time":
        return isinstance(value, str) and _CLOCK.fullmatch(value) is not None
    if name in _PERCENT:
        return isinstance(value, int | float) and 0 <= value <= 100
    return True
