"""HTTP as bytes: requests that no client library would send, and what comes back."""

from __future__ import annotations

import contextlib
import http.client
import json
import select
import socket
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

PATIENCE_S = 15.0
MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer. `status` is 0 when the connection ended without one; `took_s` is from the first byte sent."""

    status: int
    headers: dict[str, str]
    body: bytes
    took_s: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def request(
    path: str, body: bytes = b"", key: str | None = None, *, method: str = "POST", headers: str = ""
) -> bytes:
    """A well-formed request; `headers` are further lines, each with its end."""
    authorization = "" if key is None else f"authorization: Bearer {key}\r\n"
    kind = "content-type: application/json\r\n" if body else ""
    head = f"{method} {path} HTTP/1.1\r\nhost: gateway\r\n{authorization}{kind}content-length: {len(body)}\r\n{headers}\r\n"
    return head.encode("latin-1") + body


def say(port: int, sent: bytes | Iterable[bytes]) -> Reply:
    """Sends, as far as the server lets it, and reads one answer."""
    parts = (sent,) if isinstance(sent, bytes) else sent
    method = "HEAD" if isinstance(sent, bytes) and sent.startswith(b"HEAD ") else "GET"
    start = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as connection:
        with contextlib.suppress(ConnectionError):
            _send(connection, parts)
        status, headers, body = _read(connection, method)
    return Reply(status=status, headers=headers, body=body, took_s=time.monotonic() - start)


def _send(connection: socket.socket, parts: Iterable[bytes]) -> None:
    """Stops as soon as there is an answer to read."""
    for part in parts:
        if select.select([connection], [], [], 0)[0]:
            return
        connection.sendall(part)


def _read(connection: socket.socket, method: str) -> tuple[int, dict[str, str], bytes]:
    answer = http.client.HTTPResponse(connection, method=method)
    try:
        answer.begin()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, headers, answer.read()
    except (http.client.HTTPException, ConnectionError):
        return 0, {}, b""
    finally:
        answer.close()


def everything(port: int, sent: bytes, quiet_s: float = 0.3) -> bytes:
    """All the server says until it closes or has been quiet for `quiet_s`: how many answers there are."""
    found = b""
    with (
        socket.create_connection(("127.0.0.1", port), PATIENCE_S) as connection,
        contextlib.suppress(ConnectionError),
    ):
        connection.sendall(sent)
        while select.select([connection], [], [], quiet_s)[0] and (piece := connection.recv(65_536)):
            found += piece
    return found


def flood(path: str, key: str, total: int, *, chunked: bool) -> Iterator[bytes]:
    """A body of `total` spaces, announced by its length or in chunks of a mebibyte."""
    length = "transfer-encoding: chunked" if chunked else f"content-length: {total}"
    yield (
        f"POST {path} HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n{length}\r\n\r\n"
    ).encode()
    piece = b" " * MIB
    for _ in range(total // MIB):
        yield b"%x\r\n%b\r\n" % (MIB, piece) if chunked else piece
