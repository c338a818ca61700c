"""Finds, reads and checks the settings: a TOML file, Parameter Store over it where that is asked for, variables over
both, and rules that join several keys."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from gateway.settings.environment import overlay, overlay_parameters
from gateway.settings.guards import check_guards
from gateway.settings.reading import read
from gateway.settings.schema import KeySettings, RedisSettings, Settings, TargetSettings
from router_core.deployment import SETTINGS_SSM
from router_core.errors import ConfigurationError, StoreError
from router_core.inference import OBJECTIVES, TASKS

DEFAULT_FILE: Final = Path("tierwise.toml")
MAX_BYTES: Final = 1024 * 1024
AUTO: Final = ("auto", *(f"auto:{name}" for name in OBJECTIVES))
QUOTAS: Final = ("requests_per_min", "tokens_per_min")
_ALIAS: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,95}")


def load(path: str | None, environ: Mapping[str, str]) -> Settings:
    """Settings from `path`, else TIERWISE_CONFIG, else ./tierwise.toml, else defaults; what lies below the prefix in
    TIERWISE_SETTINGS_SSM wins over files, variables win over both.

    Raises `ConfigurationError` naming the key; a file that was named must exist, and Parameter Store must answer.
    """
    file = find(path, environ)
    document = _decode(file) if file else {}
    if prefix := environ.get(SETTINGS_SSM):
        document = overlay_parameters(document, prefix, _parameters(prefix))
    settings = read(Settings, overlay(document, environ))
    check(settings)
    return replace(settings, source=file)


def find(path: str | None, environ: Mapping[str, str]) -> Path | None:
    """The settings file that will be read, None when there is none."""
    named = path or environ.get("TIERWISE_CONFIG")
    if named:
        return Path(named)
    return DEFAULT_FILE if DEFAULT_FILE.is_file() else None


def _parameters(prefix: str) -> dict[str, str]:
    if find_spec("boto3") is None:
        raise ConfigurationError(f"settings: {SETTINGS_SSM} needs the aws extra: pip install 'tierwise[aws]'")
    from router_core.adapters.aws.ssm_settings import SsmSettings

    try:
        return SsmSettings.connect().read(prefix)
    except StoreError as error:
        # Without them limits or keys might be missing, so a gateway does not start on what is left.
        raise ConfigurationError(f"settings: {SETTINGS_SSM} {prefix[:256]}: {error}") from error


def _decode(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise ConfigurationError(f"settings: {file} is larger than {MAX_BYTES} bytes")
        return tomllib.loads(content.decode())
    except OSError as error:
        raise ConfigurationError(f"settings: {file} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        # Only the place: the text around a syntax error may be a secret.
        where = re.search(r"\(at [^)]*\)", str(error))
        raise ConfigurationError(
            f"settings: {file} is not valid TOML {where[0] if where else ''}".rstrip()
        ) from None


def check(settings: Settings) -> None:
    """Rules that join keys. Raises `ConfigurationError`."""
    for i, target in enumerate(settings.targets):
        check_target(target, f"targets[{i}]")
    for i, key in enumerate(settings.keys):
        _check_key(key, f"keys[{i}]")
    _unique("targets", [target.name for target in settings.targets])
    _unique("keys", [key.id for key in settings.keys])
    check_guards(settings.guards)
    for i, guard in enumerate(settings.guards):
        for name, url in (("base_url", guard.base_url), ("endpoint_url", guard.endpoint_url)):
            if url is not None:
                check_url(url, f"guards[{i}].{name}")
    _check_aliases(settings)
    _check_redis(settings.redis)
    if settings.events.content_logging:
        # A switch that did nothing would let an operator believe that there is a log of contents to look after.
        raise ConfigurationError(
            "settings: events.content_logging is not supported yet; records hold no content"
        )
    if settings.policy.file and settings.policy.ssm:
        raise ConfigurationError("settings: policy.file and policy.ssm exclude each other")


def check_target(target: TargetSettings, path: str) -> None:
    """What one target needs and what does not belong to its kind."""
    for key in ("name", "model", *_NEEDED.get(target.kind, ())):
        if not getattr(target, key):
            raise ConfigurationError(f"settings: {path}.{key} is missing")
    if target.name.split(":")[0] == "auto":
        raise ConfigurationError(
            f"settings: {path}.name must not be auto: that word means the router's own choice"
        )
    for key, kinds in _BELONGS.items():
        if getattr(target, key) not in (None, {}) and target.kind not in kinds:
            raise ConfigurationError(f"settings: {path}.{key} does not belong to kind {target.kind}")
    if (target.lat is None) != (target.lon is None):
        raise ConfigurationError(f"settings: {path}: lat and lon go together")
    _check_urls(target, path)
    _check_tables(target, path)


def _check_urls(target: TargetSettings, path: str) -> None:
    for key in ("base_url", "endpoint_url"):
        url = getattr(target, key)
        if url is not None:
            check_url(url, f"{path}.{key}")


def _check_tables(target: TargetSettings, path: str) -> None:
    for name in target.quotas:
        if name not in QUOTAS:
            raise ConfigurationError(f"settings: {path}.quotas knows {' and '.join(QUOTAS)}, not {name}")
    for task, value in target.quality.items():
        if task not in TASKS or not 0.0 <= value <= 1.0:
            raise ConfigurationError(f"settings: {path}.quality maps a task ({', '.join(TASKS)}) to 0..1")


_NEEDED: Final[Mapping[str, tuple[str, ...]]] = {"openai": ("base_url",), "sagemaker": ("endpoint",)}
_BELONGS: Final[Mapping[str, tuple[str, ...]]] = {
    "base_url": ("openai",),
    "api_key": ("openai",),
    "endpoint_url": ("bedrock", "sagemaker"),
    "endpoint": ("sagemaker",),
    "cloudwatch": ("bedrock", "openai", "sagemaker"),
    "quotas": ("bedrock",),
    "guardrail": ("bedrock",),
    "path": ("onnx",),
}


def check_url(url: str, path: str) -> None:
    """An address we call: http or https, a host, no credentials, no query. Raises `ConfigurationError`."""
    parts = _split(url, path)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(f"settings: {path} must be an http or https address")
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(f"settings: {path} must not hold credentials; use api_key with a reference")
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise ConfigurationError(f"settings: {path} must not have a query or a fragment")


def _split(url: str, path: str) -> SplitResult:
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ConfigurationError(f"settings: {path} must be an http or https address")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ConfigurationError(f"settings: {path} must be an http or https address") from None
    return parts


def _check_key(key: KeySettings, path: str) -> None:
    if not key.id:
        raise ConfigurationError(f"settings: {path}.id is missing")
    if key.secret is None:
        raise ConfigurationError(f"settings: {path}.secret is missing: a reference such as env:PHONE_KEY")


def _check_redis(redis: RedisSettings) -> None:
    if redis.url is not None and redis.sentinels:
        raise ConfigurationError("settings: redis.url and redis.sentinels exclude each other")
    if not redis.sentinels and (redis.tls or redis.sentinel_password is not None):
        # With an address, TLS is written there; ignoring the switch would send a password in the clear.
        raise ConfigurationError(
            "settings: redis.tls and redis.sentinel_password belong to redis.sentinels; write rediss:// in redis.url"
        )
    if redis.password is not None and not redis.configured:
        raise ConfigurationError("settings: redis.password needs redis.url or redis.sentinels")


def _unique(path: str, names: list[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ConfigurationError(f"settings: {path}: {name} is there twice")
        seen.add(name)


def _check_aliases(settings: Settings) -> None:
    names = {target.name for target in settings.targets}
    for alias, meaning in settings.aliases.items():
        if not _ALIAS.fullmatch(alias) or alias in AUTO or alias in names:
            raise ConfigurationError(
                f"settings: aliases.{alias[:96]} is not a possible alias: it is taken or malformed"
            )
        if meaning not in AUTO and meaning not in names and settings.targets:
            raise ConfigurationError(
                f"settings: aliases.{alias} must be auto, auto:<objective> or a target's name"
            )
