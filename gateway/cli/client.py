"""Talks to a running gateway: one address, one key, standard library only."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.settings.secrets import Secret
from router_core.errors import ConfigurationError, TierwiseError

DEFAULT_URL: Final = "http://127.0.0.1:8080"
TIMEOUT_S: Final = 310.0


class GatewayError(TierwiseError):
    """The gateway could not be reached, or answered with a problem; `problem` is its body."""

    def __init__(
        self, detail: str, *, status: int | None = None, problem: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.problem = problem or {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """Status, headers (lower-case names) and the decoded body."""

    status: int
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """`url` of the gateway and the caller's key; None sends none."""

    url: str
    key: Secret | None = field(default=None, repr=False)
    timeout_s: float = TIMEOUT_S

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The decoded answer. Raises `GatewayError` for anything but a 2xx."""
        answered = self.ask(method, path, body)
        if not 200 <= answered.status < 300:
            raise _problem(answered)
        return answered.body

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Answered:
        """The answer whatever its status. Raises `GatewayError` when there is none."""
        connection = self._connection()
        try:
            response = self._send(connection, method, path, body)
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Answered(status=response.status, headers=headers, body=_decoded(response.read()))
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error
        finally:
            connection.close()

    def events(self, path: str, body: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """(event, data) of a server-sent stream. Raises `GatewayError` as `call` does."""
        connection = self._connection()
        try:
            response = self._send(connection, "POST", path, body)
            if response.status != 200:
                raise _problem(Answered(status=response.status, headers={}, body=_decoded(response.read())))
            yield from _events(response)
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigurationError("TIERWISE_URL or --url must be an http or https address")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        return kind(parts.hostname, parts.port, timeout=self.timeout_s)

    def _send(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: Mapping[str, Any] | None
    ) -> http.client.HTTPResponse:
        headers = {"content-type": "application/json"} if body is not None else {}
        if self.key is not None:
            headers["authorization"] = f"Bearer {self.key.reveal()}"
        prefix = urlsplit(self.url).path.rstrip("/")
        connection.request(method, prefix + path, json.dumps(body) if body is not None else None, headers)
        return connection.getresponse()

    def _unreachable(self, error: Exception) -> GatewayError:
        return GatewayError(
            f"no gateway answers at {self.url} ({type(error).__name__}); start one with `tierwise serve --sandbox`, or "
            "set TIERWISE_URL"
        )


def client_from(url: str | None, environ: Mapping[str, str]) -> Client:
    """The gateway that the caller means: `--url`, TIERWISE_URL, else this machine's; its key is TIERWISE_KEY."""
    key = environ.get("TIERWISE_KEY", "").strip()
    if key and not (key.isascii() and key.isprintable()):
        raise ConfigurationError("TIERWISE_KEY is not a key: it holds characters no header can carry")
    address = url or environ.get("TIERWISE_URL") or DEFAULT_URL
    return Client(url=address.rstrip("/"), key=Secret(key, "env:TIERWISE_KEY") if key else None)


def _problem(answered: Answered) -> GatewayError:
    body = answered.body if isinstance(answered.body, dict) else {}
    detail = str(body.get("detail") or body.get("title") or f"the gateway answered {answered.status}")
    rejected = body.get("rejected")
    if isinstance(rejected, dict) and rejected:
        detail += " (" + "; ".join(f"{name}: {why}" for name, why in rejected.items()) + ")"
    if answered.status == 401:
        detail += "; set TIERWISE_KEY to the key that `tierwise serve` printed"
    return GatewayError(f"{answered.status}: {detail}", status=answered.status, problem=body)


def _decoded(content: bytes) -> Any:
    try:
        return json.loads(content) if content else None
    except ValueError:
        return content.decode(errors="replace")


def _events(lines: http.client.HTTPResponse) -> Iterator[tuple[str, Any]]:
    event, data = "message", ""
    for raw in lines:
        line = raw.decode().rstrip("\r\n")
        if line.startswith("event:"):
            event = line[6:].strip()
        elif line.startswith("data:"):
            data += line[5:].strip()
        elif not line and data:
            yield event, _decoded(data.encode())
            event, data = "message", ""
