"""Puts the HTTP side together: handlers for the busy paths, FastAPI for the rest, one gate around both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI

from gateway.http.dependencies import AppDependencies
from gateway.http.edge import Gateway
from gateway.http.failures import add_failures
from gateway.http.finished import FinishedAnswers
from gateway.http.gate import gate
from gateway.http.jobs import Jobs
from gateway.http.operations import add_admin, add_health
from gateway.http.policies.routes import add_policies
from gateway.http.proposals.routes import add_proposals
from gateway.http.reference import add_reference
from gateway.http.serving import Serving
from gateway.http.specification import document_paths

if TYPE_CHECKING:
    from gateway.jobs.durable import DurableJobs


def create_app(dependencies: AppDependencies) -> Gateway:
    """The ASGI application. Its `begin_drain` and `drained` are for the server that is told to stop."""
    serving = Serving(dependencies.router, dependencies.limiter, FinishedAnswers(dependencies.answers_kept))
    jobs = _jobs(dependencies, serving)
    gateway: list[Gateway] = []
    api = _api(dependencies, jobs, lambda: gateway[0].draining)
    gateway.append(gate(dependencies, api, serving, jobs))
    gateway[0].also_wait_for(lambda: jobs.unfinished)
    gateway[0].on_drain(jobs.drain)
    return gateway[0]


def _jobs(dependencies: AppDependencies, serving: Serving) -> Jobs | DurableJobs:
    if dependencies.jobs is None:
        return Jobs(serving, running=dependencies.async_running, waiting=dependencies.async_waiting)
    from gateway.jobs.assembly import durable_jobs

    return durable_jobs(dependencies.jobs, serving, dependencies.router)


def _api(dependencies: AppDependencies, jobs: Jobs | DurableJobs, draining: Callable[[], bool]) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await jobs.start()
        yield
        await jobs.stop()

    api = FastAPI(
        title="Tierwise",
        version=dependencies.version,
        summary="Routes each inference request to the device, the edge or the cloud, and says why.",
        docs_url=None,
        redoc_url=None,
        # A redirect would be built from the Host header, which the client chooses.
        redirect_slashes=False,
        lifespan=lifespan,
    )
    add_failures(api)
    add_health(api, dependencies, draining)
    add_admin(api, dependencies)
    add_proposals(api, dependencies)
    add_policies(api, dependencies)
    document_paths(api)
    add_reference(api)
    return api
