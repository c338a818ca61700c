"""What the HTTP side is built from; the composition root fills it in, tests fill in fakes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Final

from gateway.http.auth import KeyRing
from gateway.http.bodies import MAX_BODY_BYTES
from gateway.http.device.routes import DeviceDesk
from gateway.http.ports import EventLookup, Router
from router_core.ports import RateLimiter, StateStore
from router_core.record import dataclass
from router_core.resources import TargetSpec

if TYPE_CHECKING:  # only a host that has it loads it
    from agents.proposals.desk import ProposalDesk
    from gateway.http.mcp.door import McpDoor
    from gateway.http.mcp.own import OwnRoutes
    from gateway.http.policies.desk import Desk
    from gateway.jobs.assembly import JobsPlan

DEFAULT_OUTPUT_TOKENS: Final = 256
"""What a request without `max_tokens` reserves of a key's tokens per minute until its usage is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppDependencies:
    """`metrics` gives the exposition body and its content type. `catalogue` holds every configured target; names of
    models come from it and from `aliases` (alias -> `auto`, `auto:*` or a target). `decisions` reads the event log.

    Limits: bytes of a body, seconds for it to arrive, concurrent and waiting asynchronous requests, finished answers
    kept for `GET /inference/{id}`, idempotent answers kept (count, bytes). `shared` is state that other workers see;
    `device` what devices that decide themselves need, None where they are not served.
    """

    router: Router
    keys: KeyRing
    limiter: RateLimiter
    metrics: Callable[[], tuple[bytes, str]]
    catalogue: tuple[TargetSpec, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    decisions: EventLookup | None = None
    version: str = "0"
    started_s: float = 0.0
    max_body_bytes: int = MAX_BODY_BYTES
    body_timeout_s: float = 30.0
    async_running: int = 8
    async_waiting: int = 1_000
    answers_kept: int = 2_048
    idempotent_kept: int = 10_000
    idempotent_bytes: int = 64 * 2**20
    shared: StateStore | None = None
    jobs: JobsPlan | None = None
    """Where asynchronous requests are kept; None: in this process's memory."""
    device: DeviceDesk | None = None
    proposals: ProposalDesk | None = None
    policies: Desk | None = None
    own: OwnRoutes | None = None
    mcp: McpDoor | None = None
