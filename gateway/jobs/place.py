"""Where asynchronous requests are kept and what carries their messages, as the settings say it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from router_core.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPlace:
    """Where jobs are kept and what carries their messages, secrets resolved. `old_key` opens what was sealed before `key` was
    changed; `key_lifetimes`: how long a caller's own key may wait, in seconds by target."""

    url: str = "sqlite://"
    password: str | None = None
    key: str | None = None
    old_key: str | None = None
    key_lifetimes: Mapping[str, float] = field(default_factory=dict)
    iam: bool = False
    ca_file: str | None = None
    sns: str | None = None

    def __repr__(self) -> str:
        return f"JobPlace({self.url})"
