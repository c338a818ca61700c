"""`/admin/policy/proposals`: what agents propose, and a person's word on it. The edge lets only the admin role this far.

Who decided is the key that asked: no field of a body says it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Any

import orjson
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from agents.proposals.desk import ProposalDesk
from agents.proposals.permitted import MOST_KEYS, Wish
from agents.proposals.proposal import MAX_WORDS, Proposal
from gateway.http.dependencies import AppDependencies
from router_core.errors import NotFoundError, RequestError

_STRICT = ConfigDict(extra="forbid", strict=True)


class WishBody(BaseModel):
    """A permitted key, and the value wanted there."""

    model_config = _STRICT
    key: Annotated[str, Field(min_length=1, max_length=64)]
    value: float


class ProposalBody(BaseModel):
    """What somebody wants changed, and why."""

    model_config = _STRICT
    changes: Annotated[list[WishBody], Field(min_length=1, max_length=MOST_KEYS)]
    why: Annotated[str, Field(min_length=1, max_length=MAX_WORDS)]


class DecisionBody(BaseModel):
    """Why it is accepted or rejected."""

    model_config = _STRICT
    why: Annotated[str, Field(min_length=1, max_length=MAX_WORDS)]


def add_proposals(api: FastAPI, dependencies: AppDependencies) -> None:
    """The paths; without a desk they say that there is none."""

    def desk() -> ProposalDesk:
        if dependencies.proposals is None:
            raise NotFoundError("this host keeps no proposals")
        return dependencies.proposals

    @api.get(
        "/admin/policy/proposals", tags=["admin"], summary="Proposals to change the policy, newest first"
    )
    async def proposals() -> Response:
        return _json({"proposals": [one.summary() for one in await desk().book.all()]})

    @api.get("/admin/policy/proposals/{name}", tags=["admin"], summary="One proposal with its evidence")
    async def proposal(name: str) -> Response:
        return _one(await desk().book.get(name))

    @api.post(
        "/admin/policy/proposals",
        tags=["admin"],
        status_code=201,
        summary="Propose a change; a person decides on it",
    )
    async def propose(body: ProposalBody, request: Request) -> Response:
        if not all(math.isfinite(one.value) for one in body.changes):
            raise RequestError("a value must be a number", field="changes")
        wishes = tuple(Wish(key=one.key, value=one.value) for one in body.changes)
        return _one(await desk().propose(wishes, body.why, _by(request)), status=201)

    _add_decisions(api, desk)


def _add_decisions(api: FastAPI, desk: Callable[[], ProposalDesk]) -> None:
    """A person's word."""

    @api.post(
        "/admin/policy/proposals/{name}/accept",
        tags=["admin"],
        summary="Have it tried as a canary, or accept its document",
    )
    async def accept(name: str, body: DecisionBody, request: Request) -> Response:
        return _one(await desk().accept(name, _by(request), body.why))

    @api.post("/admin/policy/proposals/{name}/reject", tags=["admin"], summary="Say no to it")
    async def reject(name: str, body: DecisionBody, request: Request) -> Response:
        return _one(await desk().reject(name, _by(request), body.why))


def _by(request: Request) -> str:
    caller = request.scope.get("tierwise.caller")
    return "unknown" if caller is None else str(caller.key_id)


def _one(proposal: Proposal, *, status: int = 200) -> Response:
    return _json(proposal.as_document(), status=status)


def _json(body: Any, *, status: int = 200) -> Response:
    return Response(orjson.dumps(body), status_code=status, headers={"content-type": "application/json"})
