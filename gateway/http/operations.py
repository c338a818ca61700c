"""Health, metrics and the admin paths: ordinary FastAPI endpoints, because nobody calls them a thousand times a second.

Who may call them is decided before they are reached, at the edge.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

import orjson
from fastapi import FastAPI, Query, Response
from pydantic import BaseModel, ConfigDict

from gateway.http.dependencies import AppDependencies
from gateway.http.ports import DecisionQuery
from router_core.errors import NotFoundError
from router_core.policy.document import Policy
from router_core.policy.parse import to_document


class Drain(BaseModel):
    """Whether a target takes new requests."""

    model_config = ConfigDict(extra="forbid", strict=True)

    draining: bool


def add_health(api: FastAPI, dependencies: AppDependencies, draining: Callable[[], bool]) -> None:
    """Liveness answers as long as the process can; readiness says whether to send it work."""

    @api.get("/health/liveness", tags=["health"], summary="The process answers")
    @api.get("/health/liveliness", tags=["health"], summary="The same, as LiteLLM spells it")
    async def liveness() -> Response:
        return _json({"status": "alive", "version": dependencies.version})

    @api.get(
        "/health/readiness",
        tags=["health"],
        summary="The process takes requests",
        responses={503: {"description": "The process is stopping"}},
    )
    async def readiness() -> Response:
        stopping = draining()
        health = [target.health for target in dependencies.router.targets()]
        counts = {word: health.count(word) for word in sorted(set(health))}
        body = {"status": "draining" if stopping else "ready", "targets": counts}
        return _json(body, status=503 if stopping else 200)

    @api.get(
        "/metrics",
        tags=["health"],
        summary="Prometheus metrics; from elsewhere than this machine: admin role",
    )
    async def metrics() -> Response:
        body, content_type = dependencies.metrics()
        return Response(body, headers={"content-type": content_type})


def add_admin(api: FastAPI, dependencies: AppDependencies) -> None:
    """What operators see and turn."""
    router = dependencies.router

    @api.get("/admin/targets", tags=["admin"], summary="Every target and its state")
    async def targets() -> Response:
        return _json({"targets": list(router.targets())})

    @api.post(
        "/admin/targets/{name:path}/drain", tags=["admin"], summary="Take a target out of service, or back in"
    )
    async def drain(name: str, body: Drain) -> Response:
        if name not in {target.name for target in router.targets()}:
            raise NotFoundError("no target has this name")
        router.drain(name, body.draining)
        return _json({"target": name, "draining": body.draining})

    @api.get("/admin/policy", tags=["admin"], summary="The policy in force")
    async def policy() -> Response:
        now = router.rollout()
        canary = None if now.canary is None else {**_policy(now.canary), "share": now.share}
        return _json({**_policy(now.stable), "canary": canary})

    @api.get("/admin/decisions", tags=["admin"], summary="The newest decisions of all tenants")
    async def decisions(
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
        tenant: Annotated[str | None, Query(max_length=256)] = None,
        tier: Literal["device", "mec", "cloud"] | None = None,
        target: Annotated[str | None, Query(max_length=256)] = None,
        request_class: Annotated[
            Literal["simple", "complex", "critical", "batch"] | None, Query(alias="class")
        ] = None,
    ) -> Response:
        if dependencies.decisions is None:
            raise NotFoundError("no event log is set up, so decisions are not kept")
        query = DecisionQuery(
            limit=limit, tenant=tenant, tier=tier, target=target, request_class=request_class
        )
        return _json({"decisions": list(await dependencies.decisions.recent(query))})


def _json(body: Any, *, status: int = 200) -> Response:
    return Response(
        orjson.dumps(body, default=_plain), status_code=status, headers={"content-type": "application/json"}
    )


def _policy(policy: Policy) -> dict[str, Any]:
    return {"label": policy.label, "sha256": policy.sha256, "document": to_document(policy)}


def _plain(value: Any) -> Any:
    if hasattr(value, "items"):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
