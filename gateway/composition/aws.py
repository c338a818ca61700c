"""Opens the AWS stores that the settings name; without any, no AWS SDK is imported.

Making a client reads files and imports the SDK, so it happens on a thread, once at start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from typing import Any, Final

from gateway.composition.events import Look, open_leaving
from gateway.composition.plan import Plan
from gateway.composition.records import LogLookup, TableLookup
from gateway.http.ports import EventLookup
from gateway.settings.schema import StoreSettings
from router_core.adapters.aws.client import aws_client
from router_core.adapters.aws.s3_archive import S3Archive
from router_core.adapters.aws.s3_models import S3Models
from router_core.adapters.dynamodb.decisions import DynamoDecisions
from router_core.adapters.dynamodb.ledger import DynamoLedger
from router_core.adapters.dynamodb.lookup import DynamoLookup
from router_core.adapters.dynamodb.state import DynamoStateStore
from router_core.adapters.events.log import EventLog
from router_core.errors import ConfigurationError, StoreError, TierwiseError
from router_core.ports import Clock, EventSink
from router_core.record import dataclass

ARCHIVE_READ_S: Final = 10.0
_ABSENT: Final = "doctor"


async def _nothing_to_close() -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """Where records go and where decisions are read back from. Closing `sink` is its owner's matter, `close` ends the
    rest and comes after it. `watch` is told where the gateway's own figures are, once there are any."""

    sink: EventSink
    lookup: EventLookup
    watch: Callable[[Look], None]
    close: Callable[[], Awaitable[None]] = _nothing_to_close


async def open_records(made: Plan, log: EventLog) -> Records:
    """The event log, and beside it the decisions table, the event stream and metrics where they are named. Raises `ConfigurationError`."""
    settings = made.settings.stores
    local = LogLookup(made.settings.events.dir, log)
    leaving = await open_leaving(made.settings.events)
    if settings.decisions is None:
        return Records(sink=leaving.behind(log), lookup=local, watch=leaving.watch)
    client = await _client("dynamodb", "stores.decisions")
    archive = None
    if settings.archive is not None:
        s3 = await _client("s3", "stores.archive", read_s=ARCHIVE_READ_S)
        archive = S3Archive(s3, settings.archive)
    sink = DynamoDecisions(
        client,
        settings.decisions,
        keep_days=settings.keep_days,
        archived=None if archive is None else archive.put,
    )
    table = DynamoLookup(client, settings.decisions, fetched=None if archive is None else archive.get)
    tenants = sorted({key.settings.tenant for key in made.keys})
    return Records(
        sink=leaving.behind(log, sink),
        lookup=TableLookup(table, sink, tenants, local),
        watch=leaving.watch,
        close=table.close,
    )


async def open_state(table: str, clock: Clock) -> tuple[DynamoStateStore, DynamoLedger]:
    """State that all workers and replicas see, and what they spend together. Raises `ConfigurationError`."""
    client = await _client("dynamodb", "stores.state")
    return DynamoStateStore(client, table, clock=clock), DynamoLedger(client, table, clock=clock)


def unreachable(settings: StoreSettings, key: str) -> TierwiseError | None:
    """Why the store named under this key cannot be read, None when it can. Asks for something that is not there."""
    try:
        asyncio.run(_read_of(settings, key))
    except TierwiseError as error:
        return error
    return None


async def _read_of(settings: StoreSettings, key: str) -> None:
    if key == "models":
        s3 = await _client("s3", "stores.models")
        await asyncio.to_thread(next, S3Models(s3, str(settings.models)).list(_ABSENT), None)
        return
    dynamodb = await _client("dynamodb", f"stores.{key}")
    if key == "decisions":
        await DynamoLookup(dynamodb, str(settings.decisions)).find(_ABSENT)
    else:
        await DynamoStateStore(dynamodb, str(settings.state)).get(_ABSENT)


async def _client(service: str, key: str, **more: Any) -> Any:
    if find_spec("boto3") is None:
        raise ConfigurationError(f"settings: {key} needs its package: pip install 'tierwise[aws]'")
    try:
        return await asyncio.to_thread(aws_client, service, **more)
    except StoreError as error:
        raise ConfigurationError(f"settings: {key}: {error}") from None
