"""What goes over the wire, and what must never: origins, request bytes, limits on answers.

Everything that a caller or a setting could smuggle into a request (line breaks in a header, a blank in a path)
is refused here, in the one place where text becomes bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from router_core.errors import ConfigurationError, RefusedError
from router_core.record import dataclass

MAX_HEAD_BYTES: Final = 65_536
"""Status line and headers of one answer, or its trailers."""
MAX_ANSWER_BYTES: Final = 16 * 1024 * 1024
"""Body of one answer, unless the caller says otherwise."""
CLIENT: Final = b"user-agent: tierwise\r\naccept-encoding: identity\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The one place a pool connects to, fixed at start; `path` has no slash at its end."""

    host: str
    port: int
    tls: bool
    path: str

    @property
    def authority(self) -> str:
        """The `host` header: the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


def parse_origin(url: str) -> Origin:
    """Origin of a base URL. Raises `ConfigurationError` when it is not plain http(s) without secrets or query."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigurationError("a base URL of a target cannot be read") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError("a base URL of a target needs http:// or https:// and a host")
    if parts.username is not None or parts.query or parts.fragment:
        raise ConfigurationError("a base URL of a target takes no user, query or fragment")
    path = parts.path.rstrip("/")
    if not (_printable(path) and _printable(parts.hostname)):
        raise ConfigurationError("a base URL of a target holds a forbidden character")
    tls = parts.scheme == "https"
    return Origin(host=parts.hostname, port=port or (443 if tls else 80), tls=tls, path=path)


def encode_headers(headers: Mapping[str, str]) -> bytes:
    """Header lines ready to send. Raises `RefusedError` when a name or value could start another line."""
    text = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    lines = len(headers)
    if text.count("\r") != lines or text.count("\n") != lines or "\0" in text:
        raise RefusedError("a header of the request holds a line break")
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise RefusedError("a header of the request holds a character that HTTP cannot carry") from None


def encode_request(method: str, path: str, host: bytes, headers: bytes, body: bytes | None) -> bytes:
    """One whole request, so that it leaves in one write. Raises `RefusedError` for a path with forbidden characters."""
    if not _printable(path):
        raise RefusedError("the path of the request holds a forbidden character")
    start = f"{method} {path} HTTP/1.1\r\n".encode()
    if body is None:
        return b"%b%b%b\r\n" % (start, host, headers)
    return b"%b%b%bcontent-length: %d\r\n\r\n%b" % (start, host, headers, len(body), body)


def _printable(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text
