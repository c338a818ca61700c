"""Who may reach the tools for agents outside: the `[mcp]` part of the settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway.settings.rules import matching

_HOST: Final = r"[A-Za-z0-9.-]{1,253}"
_ORIGIN: Final = r"https?://[A-Za-z0-9.:\[\]-]{1,260}"


@dataclass(frozen=True, slots=True, kw_only=True)
class McpSettings:
    """The tools at `/mcp`. `hosts`: names under which this gateway is reached, beside localhost and addresses; `origins`: pages
    that may ask from a browser, beside those of this gateway's own host."""

    enabled: bool = True
    hosts: tuple[str, ...] = matching((), _HOST, "a host name")
    origins: tuple[str, ...] = matching((), _ORIGIN, "an origin such as https://tools.example.com")
