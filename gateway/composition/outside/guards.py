"""Opens the guards outside that the settings name; without any, nothing is imported for them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing

from agents.guarding.outside import NO_GUARDS, Guards, PlacedGuard
from gateway.composition.plan import Plan
from gateway.composition.sandbox import NO_ACCESS, Access
from gateway.settings.guards import BEDROCK, LLAMA_GUARD, GuardSettings
from gateway.settings.schema import Settings
from gateway.settings.secrets import resolve
from router_core.adapters.data_files import groups_of, load_data
from router_core.ports import ContentGuard

Closers = list[Callable[[], Awaitable[None]]]


def open_guards(
    settings: Settings, environ: Mapping[str, str], closers: Closers, access: Access = NO_ACCESS
) -> Guards:
    """The guards by name. Raises `ConfigurationError`."""
    if not settings.guards:
        return NO_GUARDS
    data = load_data(settings.data.models, settings.data.regions)
    made = Plan(settings=settings, targets=(), keys=(), access=access)
    placed = {
        guard.name: PlacedGuard(
            guard=_bedrock(guard, made, environ, closers)
            if guard.kind == BEDROCK
            else _openai(guard, environ, closers),
            tier=guard.tier,
            groups=("*",) if guard.tier == "device" else groups_of(data, guard.region),
            max_privacy=guard.max_privacy,
            timeout_s=guard.timeout_ms / 1000.0,
        )
        for guard in settings.guards
    }
    return Guards(placed=placed)


def _bedrock(guard: GuardSettings, made: Plan, environ: Mapping[str, str], closers: Closers) -> ContentGuard:
    from gateway.composition.targets import found_credentials
    from router_core.adapters.guards.bedrock_guardrail import BedrockGuardrail
    from router_core.adapters.models.bedrock import bedrock_url
    from router_core.adapters.models.http_pool import HttpPool

    region = guard.region or ""
    pool = HttpPool(guard.endpoint_url or bedrock_url(region))
    closers.append(pool.aclose)
    return BedrockGuardrail(
        pool,
        guardrail=guard.guardrail or "",
        version=guard.version,
        region=region,
        credentials=found_credentials(made, environ),
        timeout_s=guard.timeout_ms / 1000.0,
    )


def _openai(guard: GuardSettings, environ: Mapping[str, str], closers: Closers) -> ContentGuard:
    from router_core.adapters.guards.llama_guard import LlamaGuard
    from router_core.adapters.guards.openai_moderation import OpenAIModeration
    from router_core.adapters.models.http_pool import HttpPool
    from router_core.adapters.models.openai_http import OpenAIModel

    key, timeout_s = _key(guard, environ), guard.timeout_ms / 1000.0
    pool = HttpPool(guard.base_url or "")
    closers.append(pool.aclose)
    if guard.kind == LLAMA_GUARD:
        model = OpenAIModel(pool, model=guard.model, api_key=key)
        return LlamaGuard(model, name=guard.model, timeout_s=timeout_s)
    return OpenAIModeration(pool, model=guard.model, api_key=key, timeout_s=timeout_s)


def _key(guard: GuardSettings, environ: Mapping[str, str]) -> str | None:
    if guard.api_key is None:
        return None
    from router_core.adapters.aws.secrets import SecretsManager

    with closing(SecretsManager()) as vault:
        return resolve(guard.api_key, environ, f"guards.{guard.name}.api_key", vault.value).reveal()
