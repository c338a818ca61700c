"""What a Lambda function shares with the rest of its environment: events, decisions, answers, and the workflow.

Each part is made when it is first asked for, and AWS's SDK is imported with it: a router stage, which needs none of
them, never loads it. Names come from the settings, region and credentials from where Lambda puts them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Protocol

from gateway.http.ports import DecisionQuery, EventLookup
from gateway.settings.schema import Settings
from router_core.deployment import SYNC_WORKFLOW_ARN, WORKFLOW_ARN
from router_core.errors import ConfigurationError, StoreError
from router_core.ports import BlobStore, EventSink, StateStore
from router_core.record import dataclass

if TYPE_CHECKING:
    from router_core.adapters.aws.s3_archive import S3Archive
    from router_core.adapters.dynamodb.lookup import DynamoLookup

FLUSH_S: Final = 5.0
LONGEST_RUN_S: Final = 30.0
"""Longer than any run that is waited for may take, so that the run's own end is what is seen."""
PAYLOADS: Final = "payloads/"
"""Below this prefix the archive bucket keeps what is too large to travel; its lifecycle ends it within days."""


class Starter(Protocol):
    """Starts a run of the workflow; one that has the name already is the same run. Raises `StoreError`."""

    async def start(self, name: str, payload: str) -> None: ...


class Runner(Protocol):
    """Runs the workflow while somebody waits, and gives its output. Raises `StoreError`, `DeadlineError`, `LostError`."""

    async def run(self, name: str, payload: str) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """The same object with every call. `flush` waits until what was emitted is delivered or given up, because the
    function is frozen as soon as it has answered. `workflow` None: nothing runs asynchronously here; `waited` None: whole
    requests are answered by the function itself."""

    events: Callable[[], EventSink]
    blobs: Callable[[], BlobStore]
    states: Callable[[], StateStore]
    decisions: Callable[[], EventLookup | None]
    workflow: Callable[[], Starter | None]
    waited: Callable[[], Runner | None]
    flush: Callable[[], Awaitable[None]]


def aws_outside(settings: Settings, environ: Mapping[str, str]) -> Outside:
    """The parts of a deployed environment. Raises `ConfigurationError` at the first use of a part without a name."""
    parts = _Aws(settings, environ.get(WORKFLOW_ARN), environ.get(SYNC_WORKFLOW_ARN))
    return Outside(
        events=parts.events,
        blobs=parts.blobs,
        states=parts.states,
        decisions=parts.decisions,
        workflow=parts.workflow,
        waited=parts.waited,
        flush=parts.flush,
    )


class _Aws:
    def __init__(self, settings: Settings, workflow: str | None, waited: str | None) -> None:
        self._settings, self._workflow, self._waited = settings, workflow, waited
        self._flushes: list[Callable[[float], bool]] = []
        self.events, self.states = cache(self._events), cache(self._states)
        self.blobs, self.decisions = cache(self._blobs), cache(self._decisions)
        self.workflow, self.waited = cache(self._start), cache(self._wait)

    async def flush(self) -> None:
        """All sinks at the same time, for `FLUSH_S` at most; what is late goes out when the function wakes again."""
        await asyncio.gather(*(asyncio.to_thread(flush, FLUSH_S) for flush in self._flushes))

    def _events(self) -> EventSink:
        from router_core.adapters.aws.client import aws_client
        from router_core.adapters.aws.kinesis_event_sink import KinesisEventSink
        from router_core.adapters.dynamodb.decisions import DynamoDecisions
        from router_core.adapters.events.fan_out import FanOutEventSink

        sinks: list[DynamoDecisions | KinesisEventSink] = []
        if (stream := self._settings.events.kinesis) is not None:
            sinks.append(KinesisEventSink(aws_client("kinesis"), stream))
        if (table := self._settings.stores.decisions) is not None:
            keep_days, archive = self._settings.stores.keep_days, self._archive()
            archived = None if archive is None else archive.put
            client = aws_client("dynamodb")
            sinks.append(DynamoDecisions(client, table, keep_days=keep_days, archived=archived))
        self._flushes = [sink.flush for sink in sinks]
        return FanOutEventSink(*sinks)

    def _states(self) -> StateStore:
        from router_core.adapters.aws.client import aws_client
        from router_core.adapters.dynamodb.state import DynamoStateStore

        table = _named(self._settings.stores.state, "stores.state")
        return DynamoStateStore(aws_client("dynamodb"), table)

    def _blobs(self) -> BlobStore:
        from router_core.adapters.aws.client import aws_client
        from router_core.adapters.aws.s3_archive import S3Archive

        bucket = _named(self._settings.stores.archive, "stores.archive")
        return ThreadedBlobs(S3Archive(aws_client("s3"), bucket, prefix=PAYLOADS))

    def _decisions(self) -> EventLookup | None:
        if (table := self._settings.stores.decisions) is None:
            return None
        from router_core.adapters.aws.client import aws_client
        from router_core.adapters.dynamodb.lookup import DynamoLookup

        archive = self._archive()
        fetched = None if archive is None else archive.get
        return DecisionsTable(DynamoLookup(aws_client("dynamodb"), table, fetched=fetched))

    def _archive(self) -> S3Archive | None:
        """Where records lie that are too large for an item, as the gateway puts them."""
        if (bucket := self._settings.stores.archive) is None:
            return None
        from router_core.adapters.aws.client import aws_client
        from router_core.adapters.aws.s3_archive import S3Archive

        return S3Archive(aws_client("s3"), bucket)

    def _start(self) -> Starter | None:
        if self._workflow is None:
            return None
        from router_core.adapters.aws.client import aws_client
        from router_core.adapters.aws.step_functions import StepFunctions

        return StepFunctions(aws_client("stepfunctions"), self._workflow)

    def _wait(self) -> Runner | None:
        if self._waited is None:
            return None
        from router_core.adapters.aws.client import aws_client
        from router_core.adapters.aws.step_functions import ExpressStepFunctions

        return ExpressStepFunctions(aws_client("stepfunctions", read_s=LONGEST_RUN_S), self._waited)


def _named(name: str | None, key: str) -> str:
    if name is None:
        raise ConfigurationError(f"settings: {key} is missing: this function shares state with others")
    return name


class ThreadedBlobs:
    """`BlobStore` over the archive, whose calls block."""

    def __init__(self, archive: S3Archive) -> None:
        self._archive = archive

    async def put(self, content: bytes) -> str:
        """Keep the bytes and give their key."""
        return await asyncio.to_thread(self._archive.put, content)

    async def get(self, key: str) -> bytes:
        """The bytes behind a key."""
        return await asyncio.to_thread(self._archive.get, key)


class DecisionsTable:
    """`EventLookup` over the decisions table, which lists by tenant only."""

    def __init__(self, lookup: DynamoLookup) -> None:
        self._lookup = lookup

    async def find(self, request_id: str) -> Mapping[str, Any] | None:
        """The decision and its outcome, None when there is none."""
        return await self._lookup.find(request_id)

    async def recent(self, query: DecisionQuery) -> Sequence[Mapping[str, Any]]:
        """The newest decisions of the tenant that the query names. Raises `StoreError` when it names none."""
        if query.tenant is None:
            raise StoreError("decisions are listed by tenant here: name one")
        wanted = {"tier": query.tier, "chosen": query.target, "class": query.request_class}
        where = {name: value for name, value in wanted.items() if value is not None}
        return await self._lookup.recent(query.tenant, query.limit, where)
