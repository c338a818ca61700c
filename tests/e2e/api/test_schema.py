"""Generated requests for every documented path: whatever comes, the answer is no 5xx."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlencode

import schemathesis
from hypothesis import settings

from tests.unit.gateway.asgi import ADMIN, application, call

APP = application()
DOCUMENT: dict[str, Any] = asyncio.run(call(APP, "GET", "/openapi.json", key=None)).json
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)


# Every path gets its own examples, so a share of the usual number is many.
@SCHEMA.parametrize()
@settings(max_examples=max(10, settings().max_examples // 4))
def test_no_generated_request_makes_the_server_fail(case: schemathesis.Case[Any]) -> None:
    """Valid and invalid bodies, names and queries alike."""
    body = json.dumps(case.body).encode() if isinstance(case.body, (dict, list, str, int, float)) else b""
    path = f"{case.formatted_path}?{urlencode(case.query or {}, doseq=True)}"
    reply = asyncio.run(call(APP, case.method, path, body, key=ADMIN))
    assert reply.status < 500, reply.body
