"""`/docs`: the API as a page that needs nothing but itself.

FastAPI's own page loads its script from a third party, which an edge network may not reach and which would run beside
an operator's key. This one is made from the same OpenAPI document, once, and its policy forbids any script.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

from fastapi import FastAPI
from starlette.responses import HTMLResponse

METHODS: Final = ("get", "post", "put", "delete")
DEEPEST: Final = 3
"""Levels of nested objects that are shown; the OpenAPI document has them all."""
HEADERS: Final = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
_STYLE: Final = """
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f24}
h1{font-size:1.6rem}h2{font-size:1.05rem;margin-top:2.2rem;border-top:1px solid #d8dee4;padding-top:1rem}
code{background:#f1f3f5;padding:.1em .35em;border-radius:4px}.m{color:#fff;background:#2f6f4f;padding:.1em .5em;border-radius:4px}
.m.get{background:#2d5f9a}table{border-collapse:collapse;width:100%}td{border-bottom:1px solid #eaeef2;padding:.25rem .5rem;vertical-align:top}
td:first-child{white-space:nowrap}summary{cursor:pointer;color:#57606a}p.d{white-space:pre-line}
"""


def add_reference(api: FastAPI) -> None:
    """Serve the page; it is made when it is first asked for."""
    made: list[str] = []

    @api.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        if not made:
            made.append(page(api.openapi()))
        return HTMLResponse(made[0], headers=HEADERS)


def page(document: Mapping[str, Any]) -> str:
    """The whole page for an OpenAPI 3.1 document."""
    info, schemas = document["info"], document.get("components", {}).get("schemas", {})
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(info['title'])} API</title>",
        "<meta name=viewport content='width=device-width'>",
        f"<style>{_STYLE}</style><h1>{escape(info['title'])} {escape(info['version'])}</h1>",
        f"<p>{escape(info.get('summary', ''))} The same as a document: <a href=/openapi.json>openapi.json</a>.</p>",
    ]
    for path, operations in document["paths"].items():
        for method in METHODS:
            if method in operations:
                parts += _operation(path, method, operations[method], schemas)
    return "".join(parts)


def _operation(
    path: str, method: str, operation: Mapping[str, Any], schemas: Mapping[str, Any]
) -> Iterator[str]:
    yield f"<h2><span class='m {method}'>{method.upper()}</span> <code>{escape(path)}</code></h2>"
    yield f"<p class=d>{escape(operation.get('description') or operation.get('summary') or '')}</p>"
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    if body is not None:
        rows = "".join(_rows(body, schemas, "", 0))
        yield f"<details><summary>body</summary><table>{rows}</table></details>"
    statuses = ", ".join(f"<code>{escape(status)}</code>" for status in operation.get("responses", {}))
    yield f"<p>Answers: {statuses}</p>"


def _rows(schema: Mapping[str, Any], schemas: Mapping[str, Any], prefix: str, depth: int) -> Iterator[str]:
    """A row per field: its path, type and description; objects are followed a few levels down."""
    properties = _resolved(schema, schemas).get("properties", {})
    for name, field in properties.items():
        where = f"{prefix}{name}"
        said = escape(str(field.get("description", "")))
        yield f"<tr><td><code>{escape(where)}</code><td>{escape(_type(field, schemas))}<td>{said}</tr>"
        if depth + 1 < DEEPEST:
            for inner in _objects(field, schemas):
                yield from _rows(inner, schemas, f"{where}.", depth + 1)


def _objects(field: Mapping[str, Any], schemas: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for option in field.get("anyOf", (field,)):
        found = _resolved(option, schemas)
        if "properties" in found:
            yield found


def _type(field: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    options = field.get("anyOf")
    if options is not None:
        return " or ".join(dict.fromkeys(_type(option, schemas) for option in options))
    if "enum" in field:
        return ", ".join(map(str, field["enum"]))
    found = _resolved(field, schemas)
    if found.get("type") == "array":
        return f"list of {_type(found.get('items', {}), schemas)}"
    return str(found.get("type", "any"))


def _resolved(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    found: Mapping[str, Any] = schema if reference is None else schemas.get(reference.rpartition("/")[2], {})
    return found
