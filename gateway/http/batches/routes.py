"""Which handler serves which path of files and batches; without a store that keeps them, each says so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from gateway.http.dependencies import AppDependencies
from gateway.http.edge import Handler
from gateway.http.exchange import Exchange
from gateway.http.refusals import UnprocessableError
from router_core.ports import RateLimiter

if TYPE_CHECKING:
    from gateway.jobs.assembly import JobsPlan

FILES = "/v1/files"
BATCHES = "/v1/batches"


def batch_routes(dependencies: AppDependencies) -> Mapping[str, Handler]:
    """By the beginning of the path."""
    plan = dependencies.jobs
    if plan is None:
        return {FILES: _absent, BATCHES: _absent}
    return {path: _counted(handler, dependencies.limiter) for path, handler in _present(plan).items()}


def _counted(handler: Handler, limiter: RateLimiter) -> Handler:
    """What is sent counts against the key's requests per minute, as any request does; lines do not."""

    async def counted(exchange: Exchange) -> None:
        if exchange.method == "POST":
            await limiter.admit(exchange.known.key_id, 0)
        await handler(exchange)

    return counted


def _present(plan: JobsPlan) -> Mapping[str, Handler]:
    # Loaded where there is a store only: a Lambda function without one starts sooner.
    from gateway.http.batches.batches import BatchRoutes
    from gateway.http.batches.files import FileRoutes

    limits = plan.batches.limits
    return {
        FILES: FileRoutes(plan.store, plan.clock, limits),
        BATCHES: BatchRoutes(plan.store, plan.clock, limits, plan.batches.bell.ring),
    }


async def _absent(exchange: Exchange) -> None:
    raise UnprocessableError("files and batches need the job store: pip install 'tierwise[sql]'")
