"""Where asynchronous requests are kept and what carries their messages, as the settings say it."""

from __future__ import annotations

from router_core.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPlace:
    """Where jobs are kept and what carries their messages, secrets resolved."""

    url: str = "sqlite://"
    password: str | None = None
    key: str | None = None
    iam: bool = False
    ca_file: str | None = None
    sns: str | None = None

    def __repr__(self) -> str:
        return f"JobPlace({self.url})"
