"""Opens the store of asynchronous requests that the settings name. Raises `ConfigurationError` for what cannot work."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.jobs.assembly import JobsPlan
from gateway.jobs.durable import Limits
from gateway.jobs.store import JobStore, OpenJobs
from gateway.jobs.worker import Pace
from gateway.settings.jobs import JobSettings
from gateway.settings.secrets import Secret, SecretRef, resolve
from gateway.webhooks.addresses import networks
from gateway.webhooks.rules import WebhookRules
from router_core.adapters.system_clock import SystemClock
from router_core.errors import ConfigurationError, StoreError
from router_core.jobs.tries import Tries
from router_core.ports import Clock
from router_core.resources import TargetSpec

if TYPE_CHECKING:  # loading SQLAlchemy takes longer than most gateways need it
    from router_core.adapters.sql.letters import SqlLetters
    from router_core.adapters.sql.sealed import Sealer
    from router_core.adapters.sql.upkeep import SqlUpkeep

_DAY_S: Final = 86_400.0
_SQLITE: Final = "sqlite:///"


def plan_jobs(
    settings: JobSettings, environ: Mapping[str, str], clock: Clock, specs: Iterable[TargetSpec]
) -> JobsPlan | None:
    """The plan; None without the packages, so that asynchronous requests live in memory. Raises `ConfigurationError`."""
    if not packaged():
        if settings != JobSettings():
            raise ConfigurationError("settings: jobs needs its packages: pip install 'tierwise[sql]'")
        return None
    file = _file(settings.url)
    key = _secret(settings.key, "key", environ)
    password = _secret(settings.password, "password", environ)
    if file is None and key is None:
        raise ConfigurationError(
            "settings: jobs.key is missing: what callers wrote is sealed with it, by every gateway alike "
            '(key = "env:JOBS_KEY", a long random text)'
        )
    store = JobStore(
        lambda: _open(settings.url, password, key, clock), wanted=lambda: file is None or file.exists()
    )
    return JobsPlan(
        store=store,
        clock=clock,
        pace=Pace(
            running=settings.workers,
            lent_s=settings.lent_s,
            tries=Tries(most=settings.tries, first_s=settings.retry_s),
        ),
        queues=settings.queues,
        specs=tuple(specs),
        judges=settings.judges,
        webhooks=_webhooks(settings, environ),
        limits=Limits(max_waiting=settings.max_waiting, keep_s=settings.keep_days * _DAY_S),
    )


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


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatedQueues:
    """What an operator's commands use: no key, so no text."""

    letters: SqlLetters
    upkeep: SqlUpkeep
    close: Callable[[], Awaitable[None]]


def open_queues(settings: JobSettings, environ: Mapping[str, str]) -> OperatedQueues:
    """The queues, for a look from outside. Raises `ConfigurationError` or `StoreError`."""
    if not packaged():
        raise ConfigurationError("the queues need the sql extra: pip install 'tierwise[sql]'")
    file = _file(settings.url)
    if file is not None and not file.exists():
        raise StoreError(f"there are no jobs: {file} does not exist")
    from router_core.adapters.sql.database import Database, database_url
    from router_core.adapters.sql.letters import SqlLetters
    from router_core.adapters.sql.schema import upgrade
    from router_core.adapters.sql.upkeep import SqlUpkeep

    clock = SystemClock()
    database = Database(database_url(settings.url, _secret(settings.password, "password", environ)))
    upgrade(database.engine)
    return OperatedQueues(
        letters=SqlLetters(database, clock), upkeep=SqlUpkeep(database, clock), close=database.close
    )


def packaged() -> bool:
    """Whether the extra is installed."""
    return all(find_spec(name) is not None for name in ("alembic", "cryptography", "sqlalchemy"))


async def _open(url: str, password: str | None, key: str | None, clock: Clock) -> OpenJobs:
    return await asyncio.to_thread(open_sql, url, password, key, clock)


def open_sql(url: str, password: str | None, key: str | None, clock: Clock) -> OpenJobs:
    """The store, with its tables as they must be. Raises `StoreError`."""
    from router_core.adapters.sql.database import Database, database_url
    from router_core.adapters.sql.history import SqlJobHistory
    from router_core.adapters.sql.queue import SqlJobQueue
    from router_core.adapters.sql.schema import upgrade
    from router_core.adapters.sql.sealed import Sealer, derived_key
    from router_core.adapters.sql.upkeep import SqlUpkeep

    file = _file(url)
    try:
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
        sealer: Sealer = Sealer((derived_key(key) if key is not None else _own_key(file or Path("jobs")),))
    except OSError as error:
        raise StoreError("the job store's folder cannot be written") from error
    database = Database(database_url(url, password))
    upgrade(database.engine)
    return OpenJobs(
        history=SqlJobHistory(database, sealer, clock),
        queue=SqlJobQueue(database, sealer, clock),
        upkeep=SqlUpkeep(database, clock),
        close=database.close,
    )


def _own_key(file: Path) -> bytes:
    """The key beside a SQLite file, made at its first opening and readable by its owner alone. Whoever comes second
    takes the first one's."""
    place = file.with_name(file.name + ".key")
    if not place.exists():
        made = place.with_name(f"{place.name}.{os.getpid()}")
        descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(os.urandom(32))
            out.flush()
            os.fsync(out.fileno())
        try:
            os.link(made, place)
        except FileExistsError:
            pass
        finally:
            made.unlink()
    return place.read_bytes()


def _file(url: str) -> Path | None:
    return Path(url.removeprefix(_SQLITE)) if url.startswith(_SQLITE) else None


def _secret(reference: SecretRef | None, name: str, environ: Mapping[str, str]) -> str | None:
    return None if reference is None else resolve(reference, environ, f"jobs.{name}").reveal()
