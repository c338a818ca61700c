"""The policy's JSON schema, derived from the types so that it cannot disagree with the parser."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from router_core.policy.deliberation import tenant_schema
from router_core.policy.document import KEYED_SECTIONS, SCHEMA, SECTIONS, Policy
from router_core.policy.guarding import guard_schema


def json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the document; ranges are checked by the parser, which names the key."""
    defaults = Policy()
    properties: dict[str, Any] = {
        "schema": {"const": SCHEMA},
        "name": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
        "version": {"type": "integer", "minimum": 1},
        "guard": guard_schema(),
        "deliberation_tenants": tenant_schema(),
        "raise_privacy_by_pii": {"type": "boolean"},
    }
    for section, (_, names) in KEYED_SECTIONS.items():
        values = getattr(defaults, section)
        properties[section] = _object({name: _section(values[name]) for name in names})
    for section in SECTIONS:
        properties[section] = _section(getattr(defaults, section))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": SCHEMA, **_object(properties)}


def _section(default: Any) -> dict[str, Any]:
    return _object({item.name: _leaf(getattr(default, item.name)) for item in fields(default)})


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _leaf(default: Any) -> dict[str, Any]:
    if isinstance(default, bool):
        return {"type": "boolean", "default": default}
    if isinstance(default, int):
        return {"type": "integer", "default": default}
    if isinstance(default, float):
        return {"type": "number", "default": default}
    if isinstance(default, tuple):
        return {"type": "array", "items": {"type": "string"}, "default": list(default)}
    if isinstance(default, str):
        return {"type": "string", "default": default}
    return {"type": ["string", "number", "null"], "default": None}
