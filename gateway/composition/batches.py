"""Opens what batches are kept in, and what seals callers' own keys, over the database of asynchronous requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.batches.assembly import BatchesPlan
from gateway.batches.parts import BatchLimits, OpenBatches
from gateway.byok.envelopes import Envelopes
from gateway.http.dependencies import AppDependencies
from gateway.settings.batches import BatchSettings
from router_core.jobs.batches import Schedule
from router_core.ports import Clock

if TYPE_CHECKING:  # loading SQLAlchemy takes longer than most gateways need it
    from router_core.adapters.sql.database import Database
    from router_core.adapters.sql.sealed import Sealer

_MB = 2**20
_DAY_S = 86_400.0


def shelves(database: Database, sealer: Sealer, clock: Clock) -> OpenBatches:
    """Files, batches and lines over one database."""
    from router_core.adapters.sql.batches import SqlBatches
    from router_core.adapters.sql.batches_files import SqlFiles
    from router_core.adapters.sql.batches_lines import SqlBatchLines

    files, batches = SqlFiles(database, sealer, clock), SqlBatches(database, sealer, clock)
    lines = SqlBatchLines(database, sealer, clock)
    return OpenBatches(
        files=files, content=files, room=files, shelf=batches, work=batches, lines=lines, load=lines
    )


def envelopes(keys: tuple[bytes, ...], clock: Clock, lifetimes: Mapping[str, float]) -> Envelopes:
    """What seals and opens callers' own keys. The first key seals, all open."""
    from router_core.adapters.sql.sealed import Sealer, envelope_key

    return Envelopes(Sealer(tuple(map(envelope_key, keys))), clock, lifetimes)


def limits(settings: BatchSettings) -> BatchLimits:
    """The settings in bytes and seconds."""
    return BatchLimits(
        file_bytes=settings.file_mb * _MB,
        lines=settings.lines,
        line_bytes=settings.line_kb * 1024,
        tenant_files=settings.tenant_files,
        tenant_bytes=settings.tenant_mb * _MB,
        tenant_batches=settings.tenant_batches,
        schedule=replace(Schedule(), running=settings.running),
        pressed_running=settings.pressed_running,
        idle_below=settings.idle_below,
        keep_s=settings.keep_days * _DAY_S,
    )


def with_batches(dependencies: AppDependencies, settings: BatchSettings) -> AppDependencies:
    """The door with batches as the settings have them, their figures among the metrics."""
    jobs, metrics = dependencies.jobs, dependencies.metrics
    if jobs is None:
        return dependencies
    plan = BatchesPlan(limits=limits(settings), aliases=dependencies.aliases)

    def both() -> tuple[bytes, str]:
        page, kind = metrics()
        return page + plan.figures.exposition() + jobs.store.figures.exposition(), kind

    return replace(dependencies, jobs=replace(jobs, batches=plan), metrics=both)
