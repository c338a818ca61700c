"""Builds the body of a request from what was typed: `--device battery=0.1`, `--set privacy.residency=eu`."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any, Final

from router_core.errors import RequestError

MAX_CHARACTERS: Final = 10_000_000


def body_of(options: argparse.Namespace) -> dict[str, Any]:
    """The `/inference` body. Raises `RequestError` for something that is not `key=value`."""
    text = sys.stdin.read(MAX_CHARACTERS) if options.text == "-" else options.text
    body: dict[str, Any] = {"input": text}
    if options.task:
        body["task"] = options.task
    if options.optimize:
        body["preferences"] = {"optimize": options.optimize}
    for name in ("device", "network"):
        for pair in getattr(options, name):
            _put(body, f"{name}.{pair}")
    for pair in options.set:
        _put(body, pair)
    return body


def _put(body: dict[str, Any], pair: str) -> None:
    path, equals, text = pair.partition("=")
    keys = path.split(".")
    if not equals or not all(keys):
        raise RequestError(f"expected key=value, not {pair[:80]!r}")
    node = body
    for key in keys[:-1]:
        below = node.setdefault(key, {})
        if not isinstance(below, dict):
            raise RequestError(f"{key} in {path!r} has a value already")
        node = below
    node[keys[-1]] = _value(text)


def _value(text: str) -> Any:
    """JSON where it is JSON, otherwise the text itself: `battery=0.1` is a number, `class=phone` a word."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
