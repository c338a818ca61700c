"""`/admin/policy/simulate` and `/admin/policy/promote`. The edge lets only the admin role this far.

The report is that of `tierwise policy simulate --json`. One question at a time: whoever comes meanwhile is told so, because
each costs seconds of a processor. Who promotes is the key that asked: no field of a body says it.
"""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from gateway.http.dependencies import AppDependencies
from gateway.http.policies.desk import Desk, Promotion
from router_core.errors import ConfigurationError, ConflictError, NotFoundError, RequestError
from router_core.policy.document import Policy
from router_core.policy.parse import from_document

_STRICT = ConfigDict(extra="forbid", strict=True)
_UNITS = {"m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
Since = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,3}[mhdw]$")]
LONGEST_S = 366 * 86_400.0


class SimulationBody(BaseModel):
    """The document that is tried, and what it would replace: the policy in force unless given."""

    model_config = _STRICT
    policy: dict[str, Any]
    against: dict[str, Any] | None = None
    since: Since = "7d"
    tolerance: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0


class PromotionBody(BaseModel):
    """Why the canary becomes the policy of all sessions; `force` does so whatever the evidence says."""

    model_config = _STRICT
    why: Annotated[str, Field(min_length=1, max_length=500)]
    force: bool = False
    since: Since = "7d"
    tolerance: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0


def add_policies(api: FastAPI, dependencies: AppDependencies) -> None:
    """The paths; without a desk they say that there is none."""

    def desk() -> Desk:
        if dependencies.policies is None:
            raise NotFoundError("this host keeps no event log to weigh a policy by")
        if dependencies.policies.busy:
            raise ConflictError("another policy is being simulated: ask again when it is done")
        return dependencies.policies

    @api.post("/admin/policy/simulate", tags=["admin"], summary="What past requests say of a policy")
    async def simulate(body: SimulationBody) -> Response:
        new = _policy(body.policy, "policy")
        old = None if body.against is None else _policy(body.against, "against")
        return _json(await desk().simulate(new, old, since_s=_seconds(body.since), tolerance=body.tolerance))

    @api.post(
        "/admin/policy/promote",
        tags=["admin"],
        summary="Make the canary the policy of all sessions, where the evidence speaks for it",
    )
    async def promote(body: PromotionBody, request: Request) -> Response:
        wish = Promotion(
            by=_by(request),
            why=body.why,
            force=body.force,
            since_s=_seconds(body.since),
            tolerance=body.tolerance,
        )
        return _json(await desk().promote(wish))


def _policy(document: dict[str, Any], field: str) -> Policy:
    try:
        return from_document(document)
    except ConfigurationError as error:
        raise RequestError(str(error), field=field) from None


def _seconds(since: str) -> float:
    return min(LONGEST_S, int(since[:-1]) * _UNITS[since[-1]])


def _by(request: Request) -> str:
    caller = request.scope.get("tierwise.caller")
    return "unknown" if caller is None else str(caller.key_id)


def _json(body: Any) -> Response:
    return Response(orjson.dumps(body), headers={"content-type": "application/json"})
