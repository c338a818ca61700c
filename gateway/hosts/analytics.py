"""The consumer of the event stream: every event counted once, into minutes, metrics, estimates and alerts.

Lambda delivers at least once, cuts batches and runs shards side by side. What must be exact is written in one transaction
per chunk; metrics follow what was newly counted; alerts follow what the minutes then say. Records that are no events
are reported one by one, with the reason in the log, and never keep a good one from being counted.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Protocol

from gateway.hosts.analytics_batch import Batch, Event, chunks, read_batch
from gateway.hosts.analytics_canary import StreamedTrial, ending
from router_core.deployment import ENV, EVENT_BUS, policy_parameter, resource_name
from router_core.errors import StaleStateError, StoreError
from router_core.learning.event_alerts import BASELINE_MINUTES, Alert, alerts
from router_core.learning.event_figures import MINUTE_S, Beside, Measured, MinuteFigures, Minutes, fold, keys
from router_core.learning.shared_estimates import (
    SharedEstimates,
    estimates_key,
    fold_records,
    from_value,
    to_value,
    touched,
)
from router_core.ports import Clock, Versioned

if TYPE_CHECKING:
    from router_core.adapters.dynamodb.figures import DynamoFigures

TRIES: Final = 8
"""How often a chunk begins anew because another shard wrote the same minute or target in between."""
OLDEST_ALERT_S: Final = 900
"""An alert about what happened longer ago helps nobody."""
CLAIM_S: Final = 86_400
AGENT: Final = "analytics"
_log: Final = logging.getLogger("tierwise.analytics")


class FigureStore(Protocol):
    """Where figures are counted; see `DynamoFigures`."""

    def states(self, keys: Collection[str]) -> dict[str, Versioned]: ...

    def commit(
        self,
        ids: Sequence[str],
        minutes: Minutes,
        states: Mapping[str, tuple[bytes, int]],
        beside: Beside = ...,
    ) -> frozenset[str]: ...

    def minutes(self, subject: str, since_s: int, until_s: int) -> dict[int, MinuteFigures]: ...


class Claims(Protocol):
    """Who may do what is done once."""

    def claim(self, key: str, ttl_s: float) -> bool: ...

    def release(self, key: str) -> None: ...


class Alerting(Protocol):
    def send(self, alerts: Sequence[Alert]) -> None: ...


Report = Callable[[Sequence[Measured], int], None]
"""Takes what was newly counted and how many records were poison."""


class Analytics:
    """One consumer. `report` publishes metrics; all of it blocks. From `judging` on it also judges canaries."""

    def __init__(
        self, store: FigureStore, claims: Claims, alerting: Alerting, report: Report, clock: Clock
    ) -> None:
        self._store, self._claims, self._alerting = store, claims, alerting
        self._report, self._clock = report, clock
        self._trial: StreamedTrial | None = None

    def judging(self, trial: StreamedTrial) -> Analytics:
        """The same consumer, which from now on counts and judges the canary that runs."""
        self._trial = trial
        return self

    def consume(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Count a batch; the answer names every record that must come again or go to the failure destination."""
        batch = read_batch(event)
        failed = dict(batch.poison)
        counted: list[Measured] = []
        if self._trial is not None:
            self._trial.begin(batch.events)
        for chunk in chunks(batch.events):
            try:
                new = self._count(chunk)
            except StoreError as error:
                failed |= {one.sequence: str(error) for one in chunk}
                continue
            counted += [measured for one in new for measured in one.measured]
        _tell(batch, failed)
        self._report(counted, len(batch.poison))
        self._alert(counted)
        return {"batchItemFailures": [{"itemIdentifier": sequence} for sequence in sorted(failed, key=int)]}

    def _count(self, chunk: list[Event]) -> list[Event]:
        """The events that were not counted before; they are now. Raises `StoreError`."""
        for _ in range(TRIES):
            if not chunk:
                return []
            trial, beside = ({}, Beside()) if self._trial is None else self._trial.learned(chunk)
            minutes = fold(measured for one in chunk for measured in one.measured)
            try:
                before = self._store.commit(
                    [one.id for one in chunk], minutes, self._learned(chunk) | trial, beside
                )
            except StaleStateError:
                continue
            if not before:
                return chunk
            chunk = [one for one in chunk if one.id not in before]
        raise StoreError("other writers were faster each time")

    def _learned(self, chunk: list[Event]) -> dict[str, tuple[bytes, int]]:
        """The estimates of every target in the chunk, with the version that each must still have."""
        records = [one.record for one in chunk]
        targets = sorted(touched(records))
        stored = self._store.states([estimates_key(target) for target in targets])
        known = {target: _read(stored.get(estimates_key(target))) for target in targets}
        return {
            estimates_key(target): (to_value(shared), _version(stored.get(estimates_key(target))))
            for target, shared in fold_records(known, records).items()
        }

    def _alert(self, counted: Iterable[Measured]) -> None:
        """Send what the touched minutes call for. Trouble here is logged: the events are counted, and a batch that
        came again would not find them new."""
        oldest = self._clock.now_s() - OLDEST_ALERT_S
        try:
            self._judge()
            for subject, minute_s in sorted(keys(counted)):
                if minute_s >= oldest:
                    self._look(subject, minute_s)
        except StoreError as error:
            _log.warning("alerts were not sent: %s", error)

    def _look(self, subject: str, minute_s: int) -> None:
        since = minute_s - BASELINE_MINUTES * MINUTE_S
        minutes = self._store.minutes(subject, since, minute_s)
        now = minutes.pop(minute_s, None)
        if now is None:
            return
        for alert in alerts(subject, minute_s, now, list(minutes.values())):
            self._send(alert)

    def _judge(self) -> None:
        alert = None if self._trial is None else self._trial.judge(self._clock.now_s())
        if alert is not None:
            self._send(alert)

    def _send(self, alert: Alert) -> None:
        """Once, whoever of all consumers finds it."""
        if not self._claims.claim(alert.key, CLAIM_S):
            return
        try:
            self._alerting.send([alert])
        except StoreError:
            self._claims.release(alert.key)  # nobody was told, so the next minute may tell
            raise


def handle(event: Mapping[str, Any], context: Any) -> Mapping[str, Any]:
    """Lambda's entry for the stage "analytics": a Kinesis event in, `batchItemFailures` out."""
    return _analytics().consume(event)


@cache
def _analytics() -> Analytics:
    """One per process. SDKs are imported here, so that other stages never pay for them."""
    from router_core.adapters.aws.client import aws_client
    from router_core.adapters.aws.eventbridge import EventBridgeAlerts
    from router_core.adapters.dynamodb.figures import DynamoFigures
    from router_core.adapters.system_clock import SystemClock

    env, clock = os.environ[ENV], SystemClock()
    store = DynamoFigures(
        aws_client("dynamodb"),
        state_table=resource_name(env, "state"),
        metrics_table=resource_name(env, "metrics"),
        clock=clock,
    )
    alerting = EventBridgeAlerts(aws_client("events"), resource_name(env, EVENT_BUS), env=env)
    return Analytics(store, store, alerting, _reporter(env, clock), clock).judging(_trial(env, store))


def _trial(env: str, store: DynamoFigures) -> StreamedTrial:
    """The canary of this environment. Parameter Store is asked when the first batch comes."""
    from gateway.composition.policy import policy_store
    from router_core.adapters.aws.client import aws_client
    from router_core.adapters.aws.ssm_policy import SsmPolicySource
    from router_core.adapters.dynamodb.state import DynamoStateStore

    parameter = policy_parameter(env)

    @asynccontextmanager
    async def states() -> AsyncIterator[DynamoStateStore]:
        opened = DynamoStateStore(aws_client("dynamodb"), resource_name(env, "state"))
        yield opened
        await opened.close()

    ends = ending(lambda: policy_store(parameter), states)
    return StreamedTrial(lambda: SsmPolicySource(policy_store(parameter)), store, ends)


def _reporter(env: str, clock: Clock) -> Report:
    """Metrics as lines on standard output, which Lambda hands to CloudWatch: one document per minute and dimensions."""
    from router_core.adapters.aws.cloudwatch_emf import EmfFigures, to_line, write_to

    write = write_to(None)

    def report(counted: Sequence[Measured], poison: int) -> None:
        minutes: dict[int, EmfFigures] = {}
        for measured in counted:
            minutes.setdefault(measured.minute_s, EmfFigures(env)).add(measured)
        if poison:
            now_s = int(clock.now_s()) // MINUTE_S * MINUTE_S
            minutes.setdefault(now_s, EmfFigures(env)).add_agent(AGENT, "AgentErrors", poison)
        for minute_s, figures in sorted(minutes.items()):
            for made in figures.documents(minute_s):
                write(to_line(made))

    return report


def _tell(batch: Batch, failed: Mapping[str, str]) -> None:
    """A line per poison record: the failure destination holds the record's place, this the reason. Of good records that
    come again, one line tells how many and why the last."""
    for sequence, reason in batch.poison.items():
        _log.error("%s", json.dumps({"event": "poison", "sequence": sequence, "reason": reason}))
    again = [(sequence, reason) for sequence, reason in failed.items() if sequence not in batch.poison]
    if again:
        sequence, reason = again[-1]
        told = {"event": "not counted", "records": len(again), "sequence": sequence, "reason": reason}
        _log.error("%s", json.dumps(told))


def _read(stored: Versioned | None) -> SharedEstimates:
    if stored is None:
        return SharedEstimates()
    try:
        return from_value(stored.value)
    except ValueError:  # written by another release: begin anew rather than stop counting
        return SharedEstimates()


def _version(stored: Versioned | None) -> int:
    return 0 if stored is None else stored.version
