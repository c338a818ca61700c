"""Fetches one file so that a kill at any moment costs only the bytes on their way, and a wrong file never gets its name.

What came so far lies beside the file as `.part`, and the next try asks for the rest. The sum is taken while writing; a file
that is too long, too short or another is thrown away whole. Blocking: call it in a thread.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from edge_runtime.library.manifest import File
from edge_runtime.network import NetworkWatch, tcp_round_trip_ms

BLOCK: Final = 128 * 1024
TIMEOUT_S: Final = 30.0
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
Progress = Callable[[int], None]
"""Told how many bytes were added."""


class DownloadError(Exception):
    """Nothing usable came; what did come is kept if it may be the beginning of the right file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """How files are fetched: what the transfer teaches goes to `watch`, each block's size to `progress`."""

    watch: NetworkWatch | None = None
    progress: Progress | None = None
    timeout_s: float = TIMEOUT_S


def fetch(url: str, to: Path, wanted: File, line: Line = Line()) -> None:
    """`to` holds the wanted file when this returns. Raises `DownloadError`."""
    part = to.with_name(to.name + ".part")
    digest, have = _begun(part, wanted)
    if have < wanted.bytes:
        have += _rest(url, part, wanted.bytes, digest, line)
    if have != wanted.bytes or digest.hexdigest() != wanted.sha256:
        if have >= wanted.bytes:
            part.unlink(missing_ok=True)
        raise DownloadError(
            "the file is not the one that was signed" if have >= wanted.bytes else "it was cut"
        )
    with part.open("rb") as stream:
        os.fsync(stream.fileno())
    os.replace(part, to)


def read_small(url: str, limit: int, line: Line = Line()) -> bytes:
    """A small document. Raises `DownloadError`."""
    connection, path = _connect(url, line.timeout_s)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read(limit + 1)
    except (OSError, http.client.HTTPException) as error:
        raise DownloadError("it cannot be reached") from error
    finally:
        connection.close()
    if answer.status != 200 or len(body) > limit:
        raise DownloadError(f"status {answer.status}, or more than {limit} bytes")
    return body


def _begun(part: Path, wanted: File) -> tuple[Any, int]:
    """The sum and the count of what an earlier try left; a part that is too long is none."""
    digest, have = hashlib.sha256(), 0
    part.parent.mkdir(parents=True, exist_ok=True)
    if part.exists() and part.stat().st_size > wanted.bytes:
        part.unlink()
    if part.exists():
        with part.open("rb") as stream:
            while block := stream.read(BLOCK):
                digest.update(block)
                have += len(block)
    return digest, have


def _rest(url: str, part: Path, size: int, digest: Any, line: Line) -> int:
    have = part.stat().st_size if part.exists() else 0
    connection, path = _connect(url, line.timeout_s)
    began = time.monotonic()
    try:
        connection.request("GET", path, headers={"range": f"bytes={have}-"} if have else {})
        answer = connection.getresponse()
        _check(answer.status, answer.headers, have)
        if line.watch is not None and (rtt := tcp_round_trip_ms(connection.sock)) is not None:
            line.watch.round_trip(rtt)
        came = _write(answer, part, size - have, digest, line)
    except (OSError, http.client.HTTPException) as error:
        raise DownloadError("the transfer was cut") from error
    finally:
        connection.close()
    if line.watch is not None:
        line.watch.exchanged(came, time.monotonic() - began)
    return came


def _check(status: int, headers: Message, have: int) -> None:
    """A server that ignores the range would send the beginning again: better none than a file of two beginnings."""
    if status == 416 or (status == 200 and have):
        raise DownloadError("the server does not continue a transfer")
    if status not in (200, 206):
        raise DownloadError(f"the server answered {status}")
    if status == 206 and not headers.get("content-range", "").startswith(f"bytes {have}-"):
        raise DownloadError("the server continues at another place")


def _write(answer: Any, part: Path, missing: int, digest: Any, line: Line) -> int:
    came = 0
    with part.open("ab") as stream:
        while block := answer.read1(BLOCK):
            came += len(block)
            if came > missing:
                part.unlink(missing_ok=True)
                raise DownloadError("the file is longer than what was signed")
            stream.write(block)
            digest.update(block)
            if line.progress is not None:
                line.progress(len(block))
    return came


def _connect(url: str, timeout_s: float) -> tuple[http.client.HTTPConnection, str]:
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        made: http.client.HTTPConnection = http.client.HTTPSConnection(
            parts.hostname, parts.port, timeout=timeout_s
        )
    elif parts.scheme == "http" and parts.hostname in _LOOPBACK:
        made = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout_s)
    else:
        raise DownloadError("models come by HTTPS; plain HTTP is for this machine only")
    return made, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
