"""Opens the store of asynchronous requests that the settings name. Raises `ConfigurationError` for what cannot work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from gateway.composition.jobs_store import (
    OperatedQueues,
    job_place,
    look,
    open_jobs,
    operated,
    sqlite_path,
)
from gateway.jobs.assembly import JobsPlan
from gateway.jobs.durable import Limits
from gateway.jobs.live import shown_live
from gateway.jobs.store import JobStore
from gateway.jobs.tuning import Document, Tuned
from gateway.jobs.worker import POLL_S, Pace
from gateway.settings.jobs import JobSettings
from gateway.settings.secrets import Secret, SecretRef, resolve
from gateway.webhooks.addresses import networks
from gateway.webhooks.rules import WebhookRules
from router_core.adapters.tuning_file import FileDocument
from router_core.errors import ConfigurationError, StoreError
from router_core.jobs.live import LiveStates
from router_core.jobs.tries import Tries
from router_core.ports import Clock
from router_core.resources import TargetSpec

_DAY_S: Final = 86_400.0


def plan_jobs(
    settings: JobSettings,
    environ: Mapping[str, str],
    clock: Clock,
    specs: Iterable[TargetSpec],
    lifetimes: Mapping[str, float] | None = None,
    live: LiveStates | None = None,
) -> JobsPlan | None:
    """The plan; `lifetimes` say how long callers' own keys may wait, by target. None without the packages, so that asynchronous requests live in memory. Raises `ConfigurationError`."""
    if not packaged():
        if settings != JobSettings():
            raise ConfigurationError("settings: jobs needs its packages: pip install 'tierwise[sql]'")
        return None
    file = sqlite_path(settings.url)
    key = _secret(settings.key, "key", environ)
    password = _secret(settings.password, "password", environ)
    if file is None and key is None:
        raise ConfigurationError(
            "settings: jobs.key is missing: what callers wrote is sealed with it, by every gateway alike "
            '(key = "env:JOBS_KEY", a long random text)'
        )
    place = replace(
        job_place(settings, password, key),
        old_key=_secret(settings.old_key, "old_key", environ),
        key_lifetimes=lifetimes or {},
    )
    store = JobStore(lambda: open_jobs(place, clock), wanted=lambda: file is None or file.exists())
    if live is not None:
        store = shown_live(store, live, clock)
    return JobsPlan(
        store=store,
        place=place,
        tuned=Tuned(_document(settings)),
        clock=clock,
        pace=Pace(
            running=settings.workers,
            lent_s=settings.lent_s,
            tries=Tries(most=settings.tries, first_s=settings.retry_s),
            # SQS is waited for by the question itself.
            poll_s=POLL_S if settings.sns is None else 0.0,
        ),
        queues=settings.queues,
        specs=tuple(specs),
        judges=settings.judges,
        webhooks=_webhooks(settings, environ),
        limits=Limits(max_waiting=settings.max_waiting, keep_s=settings.keep_days * _DAY_S),
    )


def _document(settings: JobSettings) -> Callable[[], Document] | None:
    """Where the tuning is, opened when it is first looked at."""
    if settings.tuning_file is not None and settings.appconfig is not None:
        raise ConfigurationError("settings: jobs.tuning_file or jobs.appconfig, not both")
    if settings.tuning_file is not None:
        file = Path(settings.tuning_file)
        return lambda: FileDocument(file)
    if settings.appconfig is None:
        return None
    profile = settings.appconfig

    def open_profile() -> Document:
        from router_core.adapters.aws.app_config import AppConfigDocument
        from router_core.adapters.aws.client import aws_client

        return AppConfigDocument(aws_client("appconfigdata"), profile)

    return open_profile


def _webhooks(settings: JobSettings, environ: Mapping[str, str]) -> WebhookRules:
    found: dict[tuple[str, str], Secret] = {}
    for number, hook in enumerate(settings.webhooks):
        path = f"jobs.webhooks[{number}]"
        if not hook.id or hook.secret is None:
            raise ConfigurationError(f"settings: {path} needs an id and a secret")
        if (hook.tenant, hook.id) in found:
            raise ConfigurationError(f"settings: {path}: {hook.id} is there twice")
        found[hook.tenant, hook.id] = resolve(hook.secret, environ, f"{path}.secret")
    try:
        return WebhookRules(secrets=found, opened=networks(settings.webhook_networks))
    except ValueError:
        raise ConfigurationError(
            "settings: jobs.webhook_networks must be networks such as 10.1.0.0/16"
        ) from None


def open_queues(settings: JobSettings, environ: Mapping[str, str]) -> OperatedQueues:
    """The queues, for a look from outside. Raises `ConfigurationError` or `StoreError`."""
    if not packaged():
        raise ConfigurationError("the queues need the sql extra: pip install 'tierwise[sql]'")
    file = sqlite_path(settings.url)
    if file is not None and not file.exists():
        raise StoreError(f"there are no jobs: {file} does not exist")
    return operated(job_place(settings, _secret(settings.password, "password", environ), None))


def store_answers(settings: JobSettings, environ: Mapping[str, str]) -> bool:
    """Whether the store is there; nothing is made or changed. Raises `ConfigurationError`, or `StoreError` where it is not reached."""
    file = sqlite_path(settings.url)
    if file is not None and not file.exists():
        return False
    look(job_place(settings, _secret(settings.password, "password", environ), None))
    return True


def packaged() -> bool:
    """Whether the extra is installed."""
    return all(find_spec(name) is not None for name in ("alembic", "cryptography", "sqlalchemy"))


def _secret(reference: SecretRef | None, name: str, environ: Mapping[str, str]) -> str | None:
    return None if reference is None else resolve(reference, environ, f"jobs.{name}").reveal()
