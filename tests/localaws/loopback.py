"""Plain HTTP to this machine: no proxy of the environment sees it, and an error status is an answer like any other."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back; header names in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body read as JSON. Raises ValueError."""
        return json.loads(self.body)


def ask(
    method: str, url: str, body: Any = None, headers: Mapping[str, str] | None = None, timeout_s: float = 60
) -> Reply:
    """One request; `body` is bytes, or something that is sent as JSON. Raises OSError when nobody listens."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=timeout_s)
    sent = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    try:
        connection.request(method, target, sent, {"content-type": "application/json", **(headers or {})})
        answer = connection.getresponse()
        given = {name.lower(): value for name, value in answer.getheaders()}
        return Reply(status=answer.status, headers=given, body=answer.read())
    finally:
        connection.close()
