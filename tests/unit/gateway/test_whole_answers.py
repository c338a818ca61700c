"""An answer in one write: the same bytes that uvicorn would send, and no header that could start another line."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from gateway.serve_protocol import _write_whole

PLAIN = [(b"content-type", b"application/json"), (b"content-length", b"2")]


class Wire:
    """A transport that keeps what was written."""

    def __init__(self) -> None:
        self.written, self.closed = b"", False

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True


def cycle(**changes: Any) -> Any:
    values: dict[str, Any] = {
        "response_started": False,
        "response_complete": False,
        "disconnected": False,
        "keep_alive": True,
        "flow": SimpleNamespace(write_paused=False),
        "scope": {"method": "POST"},
        "default_headers": [(b"date", b"now")],
        "transport": Wire(),
        "message_event": SimpleNamespace(set=lambda: None),
        "on_response": lambda: None,
    }
    return SimpleNamespace(**(values | changes))


def test_head_and_body_leave_together() -> None:
    """One write holds status line, every header and the body; the cycle is complete and the connection kept."""
    one = cycle()
    assert _write_whole(one, 200, list(PLAIN), b"{}")
    assert one.transport.written == (
        b"HTTP/1.1 200 OK\r\ndate: now\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
    )
    assert one.response_complete and not one.transport.closed


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: x=1", b"a\nb", b"a\rb"])
def test_a_line_break_in_a_header_is_refused(value: bytes) -> None:
    """What would be a further header line never leaves the process."""
    one = cycle()
    with pytest.raises(ValueError, match="line break"):
        _write_whole(one, 200, [*PLAIN, (b"x-tierwise-model", value)], b"{}")
    assert one.transport.written == b""


@pytest.mark.parametrize(
    ("changes", "headers"),
    [({"keep_alive": False}, PLAIN), ({}, [*PLAIN, (b"connection", b"close")])],
)
def test_a_connection_that_ends_says_so_once(
    changes: dict[str, Any], headers: list[tuple[bytes, bytes]]
) -> None:
    """HTTP/1.0 clients and our own wish to close both get one `connection: close`, then the end."""
    one = cycle(**changes)
    assert _write_whole(one, 200, list(headers), b"{}")
    assert one.transport.written.count(b"connection: close") == 1 and one.transport.closed


@pytest.mark.parametrize(
    "changes",
    [
        {"response_started": True},
        {"flow": SimpleNamespace(write_paused=True)},
        {"scope": {"method": "HEAD"}},
    ],
)
def test_what_needs_more_care_goes_the_ordinary_way(changes: dict[str, Any]) -> None:
    """A started answer, a slow reader and HEAD are left to uvicorn."""
    one = cycle(**changes)
    assert not _write_whole(one, 200, list(PLAIN), b"{}")
    assert one.transport.written == b""


def test_nothing_is_written_to_a_client_that_left() -> None:
    """The answer counts as sent; there is nobody to read it."""
    one = cycle(disconnected=True)
    assert _write_whole(one, 200, list(PLAIN), b"{}")
    assert one.transport.written == b""
