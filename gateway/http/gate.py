"""The busy paths around whatever answers the rest: what every host serves, with FastAPI inside or without."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.http import stored
from gateway.http.batches.routes import batch_routes
from gateway.http.dependencies import AppDependencies
from gateway.http.device.routes import device_routes
from gateway.http.edge import Gateway, Handler, HotRoute
from gateway.http.inference import InferenceRoutes
from gateway.http.openai.routes import openai_routes
from gateway.http.ports import Accepted
from gateway.http.serving import Serving

if TYPE_CHECKING:  # a Lambda function serves these paths without the framework
    from starlette.types import ASGIApp


def gate(dependencies: AppDependencies, inside: ASGIApp, serving: Serving, accepted: Accepted) -> Gateway:
    """The ASGI application. `inside` answers every path that is not a busy one; `accepted` runs what is asynchronous."""
    inference = InferenceRoutes(dependencies, serving, accepted)
    routes = {
        "/inference": HotRoute("POST", inference.infer),
        "/explain": HotRoute("POST", inference.explain),
    }
    prefixes: dict[str, Handler] = {stored.PREFIX: stored.StoredRoutes(dependencies, serving, accepted)}
    more_routes, more_prefixes = openai_routes(dependencies, serving)
    if dependencies.own is not None:
        routes["/decisions"] = HotRoute("GET", dependencies.own.decisions)
        routes["/prices"] = HotRoute("GET", dependencies.own.prices)
    if dependencies.mcp is not None:
        prefixes["/mcp"] = dependencies.mcp
    made = Gateway(
        inside,
        dependencies.keys,
        {**routes, **more_routes, **device_routes(dependencies)},
        {**prefixes, **more_prefixes, **batch_routes(dependencies)},
        policy_label=lambda: dependencies.router.rollout().stable.label,
        tiers={spec.name: spec.tier for spec in dependencies.catalogue},
    )
    if dependencies.mcp is not None:
        dependencies.mcp.into(made)
    return made
