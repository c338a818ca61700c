"""Puts tracing around what was built, when the settings name a receiver; without one nothing is wrapped or imported."""

from __future__ import annotations

from starlette.types import ASGIApp

from gateway.composition.targets import Adapters
from gateway.http.ports import Router as HttpRouter
from gateway.settings.schema import TracingSettings
from router_core.errors import ConfigurationError
from router_core.resources import TargetSpec
from router_core.tracing import Tracing


def trace(
    settings: TracingSettings, version: str, adapters: Adapters, specs: tuple[TargetSpec, ...]
) -> Tracing | None:
    """What the settings ask for, with a span around every call of a tier. Raises `ConfigurationError` when the extra
    is missing."""
    if settings.otlp is None:
        return None
    try:
        from router_core.adapters.otel_tracing import OtelTracing, otlp_exporter
    except ImportError as error:
        raise ConfigurationError(
            "settings: tracing.otlp needs the tracing extra: pip install 'tierwise[tracing]'"
        ) from error
    exporter = otlp_exporter(settings.otlp)
    tracing = OtelTracing(exporter, service=settings.service, version=version, sample=settings.sample)
    trace_targets(adapters, specs)
    adapters.closers.append(tracing.close)
    return tracing


def trace_targets(adapters: Adapters, specs: tuple[TargetSpec, ...]) -> None:
    """A span around every call of a tier."""
    from router_core.adapters.models.traced_model import TracedEmbedder, TracedModel

    for spec in specs:
        if (model := adapters.models.get(spec.name)) is not None:
            adapters.models[spec.name] = TracedModel(model, spec)
        if (embedder := adapters.embedders.get(spec.name)) is not None:
            adapters.embedders[spec.name] = TracedEmbedder(embedder, spec)


def traced_router(router: HttpRouter, tracing: Tracing | None) -> HttpRouter:
    """The router as the HTTP side sees it."""
    if tracing is None:
        return router
    from gateway.tracing import TracedRouter

    return TracedRouter(router)


def traced_app(app: ASGIApp, tracing: Tracing | None) -> ASGIApp:
    """The application as the server sees it."""
    if tracing is None:
        return app
    from gateway.tracing import TracedApp

    return TracedApp(app, tracing)
