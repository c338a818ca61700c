"""Traces of a function: X-Ray's daemon is beside it, and its SDK is imported at the first request that is sampled.

That import costs half a second, so a function whose requests are not sampled never pays it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Final

from agents.assembly import Router
from gateway.hosts.api_gateway import App
from gateway.http.ports import Router as HttpRouter

if TYPE_CHECKING:
    from gateway.composition.targets import Adapters
    from router_core.resources import TargetSpec

Close = Callable[[], Awaitable[None]]
DAEMON: Final = "AWS_XRAY_DAEMON_ADDRESS"
HEADER: Final = "_X_AMZN_TRACE_ID"


def trace_function(environ: Mapping[str, str], adapters: Adapters, specs: tuple[TargetSpec, ...]) -> bool:
    """Whether this function traces; if so, every call of a tier has a span from now on."""
    if DAEMON not in environ:
        return False
    from gateway.composition.tracing import trace_targets

    trace_targets(adapters, specs)
    return True


def traced_stages(router: Router) -> HttpRouter:
    """The router, which tells the span of a request what its stages took."""
    from gateway.tracing import TracedRouter

    return TracedRouter(router)


class SampledApp:
    """Gives the application for the invocation at hand: traced when the runtime chose it."""

    def __init__(self, app: App, environ: Mapping[str, str], closing: Callable[[Close], None]) -> None:
        """`closing` is told of what must be closed with the function."""
        self._app, self._environ, self._closing = app, environ, closing
        self._traced: App | None = None

    def __call__(self) -> App:
        if DAEMON not in self._environ or "Sampled=1" not in self._environ.get(HEADER, ""):
            return self._app
        if self._traced is None:
            from gateway.tracing import TracedApp
            from router_core.adapters.aws.xray_tracing import XRayTracing

            tracing = XRayTracing(self._environ[DAEMON], self._environ)
            self._closing(tracing.close)
            self._traced = TracedApp(self._app, tracing)
        return self._traced
