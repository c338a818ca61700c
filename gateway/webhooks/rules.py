"""What a webhook must be to be accepted: an address in a plain form, and a secret that settings gave to its tenant."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import orjson

from gateway.http.refusals import UnprocessableError
from gateway.settings.secrets import Secret
from gateway.webhooks.addresses import Network, may_reach
from router_core.record import dataclass

_HOST: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|[0-9A-Fa-f:.]{2,45}")
_PLAIN: Final = re.compile(r"https?://[!#-;=?-\[\]_a-z~]+", re.IGNORECASE)
_PORTS: Final = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where to deliver. `target` is the path with its query."""

    secure: bool
    host: str
    port: int
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRules:
    """`secrets` by tenant and name; `opened` networks may be reached although they are inside, also without TLS."""

    secrets: Mapping[tuple[str, str], Secret]
    opened: tuple[Network, ...] = ()

    def accepted(self, tenant: str, url: str, secret_ref: str | None) -> bytes:
        """The webhook as it is kept. Raises `UnprocessableError`."""
        if secret_ref is None or (tenant, secret_ref) not in self.secrets:
            raise UnprocessableError(
                "a webhook is signed: name one of your secrets that the settings hold",
                field="$.webhook.secret_ref",
            )
        place = place_of(url)
        if place is None or (not place.secure and not self.opened):
            raise UnprocessableError("a webhook's address is https://host/path", field="$.webhook.url")
        if _numeric(place.host) and not may_reach(place.host, self.opened):
            raise UnprocessableError("a webhook's address must be a public one", field="$.webhook.url")
        return orjson.dumps({"url": url, "secret_ref": secret_ref})


def place_of(url: str) -> Place | None:
    """The parts of an address; None for one that two readers might read in two ways."""
    if not _PLAIN.fullmatch(url) or "\\" in url or "#" in url:
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    host = parts.hostname or ""
    if "@" in parts.netloc or not _HOST.fullmatch(host) or port == 0:
        return None
    target = parts.path or "/"
    return Place(
        secure=parts.scheme == "https",
        host=host,
        port=port or _PORTS[parts.scheme],
        target=f"{target}?{parts.query}" if parts.query else target,
    )


def _numeric(host: str) -> bool:
    """Whether a resolver would take the host for a number rather than a name."""
    last = host.rpartition(".")[2]
    return ":" in host or last.isdigit() or last.lower().startswith("0x")
