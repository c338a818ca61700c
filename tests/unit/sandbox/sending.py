"""Sends raw bytes to a stand-in, for requests that no client library would make."""

from __future__ import annotations

import http.client
import json
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Status, headers in lower case, and body of an answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def post(url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    return _send("POST", url, body, headers)


def get(url: str, headers: Mapping[str, str] | None = None) -> Answer:
    return _send("GET", url, None, headers or {})


def _send(method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=60)
    try:
        connection.request(method, parts.path, body=body, headers=dict(headers))
        answer = connection.getresponse()
        fields = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(status=answer.status, headers=fields, body=answer.read())
    finally:
        connection.close()
