"""The port of an X-Ray daemon: takes documents by UDP and shows them to a test."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_HEADER = b'{"format":"json","version":1}'


class Daemon:
    """What the X-Ray daemon does: takes documents by UDP and puts them into the service."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.address = f"127.0.0.1:{listener.getsockname()[1]}"

    def documents(self, count: int) -> list[dict[str, Any]]:
        found = []
        for _ in range(count):
            head, _, document = self._listener.recv(65_536).partition(b"\n")
            assert json.loads(head) == json.loads(_HEADER)
            found.append(json.loads(document))
        return found

    def silent(self) -> bool:
        self._listener.settimeout(0.05)
        try:
            return not self._listener.recv(1)
        except TimeoutError:
            return True


@contextmanager
def running_daemon() -> Iterator[Daemon]:
    """One on a free port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(5.0)
        yield Daemon(listener)
