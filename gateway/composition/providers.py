"""Builds the targets that are asked with a caller's own key, and the router over them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from agents.assembly import Ports, Router, assemble
from agents.resource import TargetView
from gateway.byok.router import OwnKeyRouter
from gateway.composition.crew import Watched
from gateway.composition.targets import Adapters
from gateway.composition.tracing import trace_targets
from gateway.http.dependencies import AppDependencies
from gateway.settings.providers import ProviderSettings
from gateway.settings.schema import Settings
from router_core.adapters.data_files import DatedData, groups_of, load_data
from router_core.errors import ConfigurationError
from router_core.monitor_merge import merge
from router_core.monitoring import MonitorSnapshot
from router_core.own_key import PREFIX, needs_own_key
from router_core.ports import Model
from router_core.resources import TargetSpec

if TYPE_CHECKING:
    from router_core.adapters.models.http_pool import HttpPool

Close = Callable[[], Awaitable[None]]
_CONNECTIONS: Final = 256


def provider_specs(settings: Sequence[ProviderSettings], data: DatedData) -> tuple[TargetSpec, ...]:
    """What the router knows of them: cloud targets, whatever stands behind their addresses. Raises `ConfigurationError`."""
    names = [provider.name for provider in settings]
    for number, provider in enumerate(settings):
        path = f"settings: providers[{number}]"
        if not provider.name or not provider.model:
            raise ConfigurationError(f"{path} needs a name and a model")
        if names.count(provider.name) > 1:
            raise ConfigurationError(f"{path}: {provider.name} is there twice")
        _check_address(provider, path)
    return tuple(_spec(provider, data) for provider in settings)


def key_lifetimes(settings: Sequence[ProviderSettings]) -> dict[str, float]:
    """How long a key may wait with an asynchronous request, by target."""
    return {PREFIX + provider.name: provider.key_ttl_s for provider in settings}


@dataclass(frozen=True, slots=True, kw_only=True)
class Providers:
    """The router over all of them, and what it knows; no router where the settings name none."""

    router: Router | None = None
    specs: tuple[TargetSpec, ...] = ()

    def behind(self, dependencies: AppDependencies) -> AppDependencies:
        """The same door with providers behind it, too."""
        if self.router is None:
            return dependencies
        return replace(
            dependencies,
            router=OwnKeyRouter(dependencies.router, self.router),
            catalogue=(*dependencies.catalogue, *self.specs),
        )

    def watched(self, main: Router) -> Watched:
        """What an operator sees and turns, of both."""
        return main if self.router is None else _Both(main, self.router)


class _Both:
    """Two routers' figures and targets as one."""

    def __init__(self, main: Router, providers: Router) -> None:
        self._main, self._providers = main, providers

    def snapshot(self) -> MonitorSnapshot:
        return merge((self._main.snapshot(), self._providers.snapshot()))

    def targets(self) -> tuple[TargetView, ...]:
        return (*self._main.targets(), *self._providers.targets())

    def drain(self, target: str, draining: bool) -> None:
        (self._providers if needs_own_key(target) else self._main).drain(target, draining)


async def open_providers(
    settings: Settings, ports: Ports, closers: list[Close], *, traced: bool
) -> Providers:
    """The providers of the settings, started. `ports` are those of the gateway's own targets. Raises `ConfigurationError`."""
    if not settings.providers:
        return Providers()
    data = load_data(settings.data.models, settings.data.regions)
    specs = provider_specs(settings.providers, data)
    built = Adapters(closers=closers)
    built.models.update(
        {PREFIX + provider.name: _model(provider, closers) for provider in settings.providers}
    )
    if traced:
        trace_targets(built, specs)
    alone = replace(
        ports, models=built.models, embedders={}, probes={}, affinity=None, shared=None, thinking=None
    )
    router = assemble(specs, alone)
    await router.start()
    closers.append(router.close)
    return Providers(router=router, specs=specs)


def _check_address(provider: ProviderSettings, path: str) -> None:
    """A key is never sent in the clear, but to this machine."""
    if provider.base_url is None:
        if provider.kind != "google":
            raise ConfigurationError(f"{path}: {provider.name} needs a base_url")
        return
    parts = urlsplit(provider.base_url)
    if parts.username or parts.query or parts.fragment or not parts.hostname:
        raise ConfigurationError(f"{path}.base_url must be an address without credentials or a query")
    if parts.scheme != "https" and not _is_here(parts.hostname):
        raise ConfigurationError(f"{path}.base_url must be https: callers' keys go there")


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _spec(provider: ProviderSettings, data: DatedData) -> TargetSpec:
    return TargetSpec(
        name=PREFIX + provider.name,
        tier="cloud",
        kind=provider.kind,
        model=provider.model,
        modalities=("text", "image"),
        context_tokens=provider.context_tokens,
        max_output_tokens=provider.max_output_tokens,
        price_in=provider.price_in,
        price_out=provider.price_out,
        region=provider.region,
        groups=groups_of(data, provider.region),
        max_privacy=provider.max_privacy,
        timeout_s=provider.timeout_s,
        max_concurrency=_CONNECTIONS,
        ttft_ms=500.0,
    )


def _model(provider: ProviderSettings, closers: list[Close]) -> Model:
    from router_core.adapters.models.http_pool import HttpPool
    from router_core.adapters.models.own_key import OwnKeyModel

    if provider.kind == "google":
        from router_core.adapters.models.google import GOOGLE_URL

        pool = HttpPool(provider.base_url or GOOGLE_URL, max_connections=_CONNECTIONS)
        make = _google
    else:
        pool = HttpPool(provider.base_url or "", max_connections=_CONNECTIONS)
        make = _openai
    closers.append(pool.aclose)
    return OwnKeyModel(lambda key: make(pool, provider.model, key))


def _google(pool: HttpPool, model: str, key: str) -> Model:
    from router_core.adapters.models.google import GoogleModel

    return GoogleModel(pool, model=model, api_key=key)


def _openai(pool: HttpPool, model: str, key: str) -> Model:
    from router_core.adapters.models.openai_http import OpenAIModel

    return OpenAIModel(pool, model=model, api_key=key)
