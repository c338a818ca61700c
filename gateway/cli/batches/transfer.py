"""Sends a file to a gateway and fetches one from it, piece by piece: neither is ever whole in memory."""

from __future__ import annotations

import http.client
import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import urlsplit

from gateway.cli.client import Client, GatewayError
from router_core.errors import ConfigurationError

_PIECE: Final = 256 * 1024


def upload(client: Client, file: Path) -> dict[str, Any]:
    """The file object. Raises `GatewayError` or OSError."""
    boundary = f"tierwise-{secrets.token_hex(16)}"
    head = (
        f'--{boundary}\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
        f'--{boundary}\r\ncontent-disposition: form-data; name="file"; filename="upload.jsonl"\r\n\r\n'
    ).encode()
    tail = f"\r\n--{boundary}--\r\n".encode()
    with file.open("rb") as source:
        length = len(head) + os.fstat(source.fileno()).st_size + len(tail)
        headers = {
            "content-type": f"multipart/form-data; boundary={boundary}",
            "content-length": str(length),
        }
        body = _pieces(head, source, tail)
        found = json.loads(b"".join(_answer(client, "POST", "/v1/files", headers, body)))
    assert isinstance(found, dict)  # noqa: S101 - a 2xx of this path is an object
    return found


def download(client: Client, file_id: str, out: IO[bytes]) -> None:
    """The file's content into `out`. Raises `GatewayError` or OSError."""
    for piece in _answer(client, "GET", f"/v1/files/{file_id}/content", {}, None):
        out.write(piece)


def _pieces(head: bytes, source: IO[bytes], tail: bytes) -> Iterator[bytes]:
    yield head
    while piece := source.read(_PIECE):
        yield piece
    yield tail


def _answer(
    client: Client, method: str, path: str, headers: dict[str, str], body: Iterator[bytes] | None
) -> Iterator[bytes]:
    parts = urlsplit(client.url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError("TIERWISE_URL or --url must be an http or https address")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=client.timeout_s)
    if client.key is not None:
        headers = {**headers, "authorization": f"Bearer {client.key.reveal()}"}
    try:
        connection.request(method, parts.path.rstrip("/") + path, body, headers)
        response = connection.getresponse()
        if response.status != 200:
            raise refused(response.status, response.read(65_536))
        while piece := response.read(_PIECE):
            yield piece
    except (http.client.HTTPException, ConnectionError) as error:
        raise GatewayError(f"no gateway answers at {client.url} ({type(error).__name__})") from error
    finally:
        connection.close()


def refused(status: int, body: bytes) -> GatewayError:
    """What OpenAI's error body says."""
    try:
        message = json.loads(body)["error"]["message"]
    except (ValueError, KeyError, TypeError):
        message = "the gateway refused"
    return GatewayError(f"{status}: {message}", status=status)
