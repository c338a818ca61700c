"""Decides, before anything is started, what a gateway will serve, whom it lets in, and what an operator must know.

Cheap and without side effects: the command line asks the same questions (`doctor`, `targets`) as the server does,
and a parent process plans once before it makes its workers.
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final

from gateway.composition.device_key import plan_device_key
from gateway.composition.sandbox import NO_ACCESS, Access, sandbox_targets
from gateway.settings.loading import AUTO
from gateway.settings.schema import KeySettings, Settings, TargetSettings
from gateway.settings.secrets import Secret, resolve
from router_core.adapters.aws.secrets import SecretsManager
from router_core.adapters.data_files import (
    DatedData,
    DeclaredTarget,
    find_model,
    load_data,
    notes,
    target_spec,
    tier_of,
)
from router_core.errors import ConfigurationError
from router_core.inference import TIERS
from router_core.resources import TargetSpec

_PLACED: Final = {"name", "kind", "model", "region", "emulated", "tier", "groups"}
_GIVEN: Final = tuple(
    item.name
    for item in fields(TargetSpec)
    if item.name not in _PLACED and item.name in TargetSettings.__slots__
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTarget:
    """One target that will be served; `secret` is its api key. `native_schema`: its service takes a JSON schema;
    `stand_in`: the sandbox added it."""

    settings: TargetSettings
    spec: TargetSpec
    secret: Secret | None = None
    native_schema: bool = False
    stand_in: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedKey:
    """One key that will be let in."""

    settings: KeySettings
    secret: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a gateway will be. `printed` is a generated key that only its starter can know, `device_key` the one that signs
    the bundles of devices; `notes` are for people."""

    settings: Settings
    targets: tuple[PlannedTarget, ...]
    keys: tuple[PlannedKey, ...]
    access: Access = NO_ACCESS
    printed: Secret | None = None
    device_key: Secret | None = field(default=None, repr=False)
    notes: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    run_dir: Path | None = None
    """Where the workers of this gateway meet; None for a single one."""


def missing_tiers(settings: Settings) -> tuple[str, ...]:
    """Tiers for which no target is configured."""
    present = {tier_of(_declared(target)) for target in settings.targets}
    return tuple(tier for tier in TIERS if tier not in present)


def plan(
    settings: Settings, environ: Mapping[str, str], *, sandbox: bool, access: Access = NO_ACCESS
) -> Plan:
    """Resolve targets, secrets and keys. Raises `ConfigurationError`."""
    data = load_data(settings.data.models, settings.data.regions)
    missing = missing_tiers(settings)
    added = sandbox_targets(missing, access) if sandbox else ()
    configured = plan_targets(settings, environ, data)
    stand_ins = tuple(
        replace(_planned(target, data, settings, _stand_in_key(target, access)), stand_in=True)
        for target in added
    )
    keys, printed = plan_keys(settings, environ, sandbox=sandbox)
    device_key, trusted = plan_device_key(settings.device, environ, sandbox=sandbox)
    targets = configured + stand_ins
    return Plan(
        settings=settings,
        targets=targets,
        keys=keys,
        access=access,
        printed=printed,
        device_key=device_key,
        notes=(*_notes(settings, data, targets), *trusted),
        aliases=_aliases(settings, targets),
    )


def plan_targets(
    settings: Settings, environ: Mapping[str, str], data: DatedData, *, secrets: bool = True
) -> tuple[PlannedTarget, ...]:
    """The configured targets; without their api keys for a process that knows them and never calls one."""
    placed = [each for target in settings.targets for each in _with_fallbacks(_placed(target, environ))]
    with closing(SecretsManager()) as vault:
        return tuple(
            _planned(target, data, settings, _api_key(target, environ, vault) if secrets else None)
            for target in placed
        )


def plan_keys(
    settings: Settings, environ: Mapping[str, str], *, sandbox: bool
) -> tuple[tuple[PlannedKey, ...], Secret | None]:
    """Keys that open the gateway, and the one generated for this start. Raises `ConfigurationError` when the gateway
    would be open to a network without any key."""
    with closing(SecretsManager()) as vault:
        keys = [
            PlannedKey(
                settings=key, secret=resolve(key.secret, environ, f"keys.{key.id}.secret", vault.value)
            )
            for key in settings.keys
            if key.secret is not None
        ]
    _distinct(keys)
    if not is_loopback(settings.server.host):
        if not keys:
            raise ConfigurationError(
                f"server.host {settings.server.host} is reachable from other machines: configure a key first "
                '([[keys]] id = "me"  role = "admin"  secret = "env:MY_KEY"), or listen on 127.0.0.1'
            )
        return tuple(keys), None
    if keys and not sandbox:
        return tuple(keys), None
    generated = Secret(f"tw-{secrets.token_urlsafe(32)}", "generated")
    owner = KeySettings(id=_free_id(keys), tenant="local", role="admin")
    return (*keys, PlannedKey(settings=owner, secret=generated)), generated


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address; a name other than localhost counts as reachable."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _distinct(keys: list[PlannedKey]) -> None:
    seen: dict[str, str] = {}
    for key in keys:
        other = seen.setdefault(key.secret.reveal(), key.settings.id)
        if other != key.settings.id:
            raise ConfigurationError(f"settings: keys {other} and {key.settings.id} have the same secret")


def _free_id(keys: list[PlannedKey]) -> str:
    taken = {key.settings.id for key in keys}
    return next(
        name for name in ("local", *(f"local-{i}" for i in range(len(taken) + 1))) if name not in taken
    )


def _declared(target: TargetSettings) -> DeclaredTarget:
    given: dict[str, Any] = {name: getattr(target, name) for name in _GIVEN}
    return DeclaredTarget(
        name=target.name,
        kind=target.kind,
        model=target.model,
        tier=target.tier,
        region=target.region,
        emulated=target.emulated,
        given={name: value for name, value in given.items() if value is not None and value not in ((), {})},
    )


def _placed(target: TargetSettings, environ: Mapping[str, str]) -> TargetSettings:
    """An AWS target without a region takes AWS's own variable. Raises `ConfigurationError` when there is none."""
    if target.kind not in ("bedrock", "sagemaker") or target.region is not None:
        return target
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    if not region:
        raise ConfigurationError(f"settings: target {target.name} needs a region (or AWS_REGION)")
    return replace(target, region=region)


def _with_fallbacks(target: TargetSettings) -> tuple[TargetSettings, ...]:
    """The target, and itself in every region it may fall back to. Raises `ConfigurationError`."""
    if not target.fallback_regions:
        return (target,)
    if target.kind != "bedrock" or target.endpoint_url is not None:
        raise ConfigurationError(
            f"settings: target {target.name}: fallback_regions are for Bedrock targets without an endpoint_url"
        )
    others = [region for region in dict.fromkeys(target.fallback_regions) if region != target.region]
    plain = replace(target, fallback_regions=())
    return (plain, *(replace(plain, name=f"{target.name}@{region}", region=region) for region in others))


def _planned(
    target: TargetSettings, data: DatedData, settings: Settings, secret: Secret | None
) -> PlannedTarget:
    declared = _declared(target)
    entry = find_model(data, target.model, target.kind) or {}
    return PlannedTarget(
        settings=target,
        spec=target_spec(declared, data, settings.server.region),
        secret=secret,
        native_schema=bool(entry.get("native_schema", False)),
    )


def _api_key(target: TargetSettings, environ: Mapping[str, str], vault: SecretsManager) -> Secret | None:
    if target.api_key is None:
        return None
    return resolve(target.api_key, environ, f"targets.{target.name}.api_key", vault.value)


def _stand_in_key(target: TargetSettings, access: Access) -> Secret | None:
    return access.mec_api_key if target.kind == "openai" else None


def _notes(settings: Settings, data: DatedData, targets: tuple[PlannedTarget, ...]) -> tuple[str, ...]:
    served = {target.spec.tier for target in targets}
    said = [
        f"tier {tier}: no target is configured; it is never chosen" for tier in TIERS if tier not in served
    ]
    for target in settings.targets:
        said += notes(_declared(target), data)
    return tuple(said)


def _aliases(settings: Settings, targets: tuple[PlannedTarget, ...]) -> Mapping[str, str]:
    known = {*AUTO, *(target.spec.name for target in targets)}
    for alias, meaning in settings.aliases.items():
        if meaning not in known:
            raise ConfigurationError(f"settings: aliases.{alias} names {meaning}, which is no target")
    return settings.aliases
