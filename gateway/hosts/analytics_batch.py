"""A batch of the stream, read: which records are events, which are poison and why, and what fits one transaction.

Poison is kept apart record by record, so that the good ones around it are counted and the batch can be cut at it.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from router_core.events import event_id
from router_core.learning.event_figures import Measured, keys, measure
from router_core.learning.shared_estimates import touched
from router_core.record import dataclass

TRANSACTION_ITEMS: Final = 99
"""One less than DynamoDB takes: a canary's trial may change with the rest."""
EVENTS: Final = 60
"""Events per transaction: keeps the expression that adds up a busy minute below DynamoDB's 4 KB."""
LONGEST_ID: Final = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One good record: its place in the shard, its name, its content and what it measures."""

    sequence: str
    id: str
    record: Mapping[str, Any]
    measured: tuple[Measured, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """`poison` maps a sequence number to the reason; events that measure nothing are left out."""

    events: tuple[Event, ...]
    poison: Mapping[str, str]


def read_batch(event: Mapping[str, Any]) -> Batch:
    """Read a Kinesis event as Lambda gives it. Raises KeyError or TypeError when it is none."""
    events: list[Event] = []
    poison: dict[str, str] = {}
    for row in event["Records"]:
        sequence = row["kinesis"]["sequenceNumber"]
        try:
            found = _event(sequence, row["kinesis"]["data"])
        except ValueError as error:
            poison[sequence] = str(error)
            continue
        if found.measured:
            events.append(found)
    return Batch(events=tuple(events), poison=poison)


def chunks(events: Iterable[Event]) -> Iterator[list[Event]]:
    """Events in their order, as many at a time as one transaction takes: marks, minutes and estimates together. An
    event that comes a second time begins a new chunk, since a transaction can't write its mark twice."""
    chunk: list[Event] = []
    ids: set[str] = set()
    written: set[object] = set()
    for event in events:
        writes = {event.id, *keys(event.measured), *(("estimates", name) for name in touched([event.record]))}
        full = len(chunk) == EVENTS or len(written | writes) > TRANSACTION_ITEMS
        if chunk and (full or event.id in ids):
            yield chunk
            chunk, ids, written = [], set(), set()
        chunk.append(event)
        ids.add(event.id)
        written |= writes
    if chunk:
        yield chunk


def _event(sequence: str, data: Any) -> Event:
    """Raises ValueError with the reason, which repeats nothing of the content."""
    try:
        record = json.loads(base64.b64decode(data, validate=True))
    except (binascii.Error, TypeError) as error:
        raise ValueError("the data is not base64") from error
    except (ValueError, RecursionError) as error:
        raise ValueError("the record is not JSON") from error
    if not isinstance(record, dict):
        raise ValueError("the record is no object")
    measured = measure(record)
    name = record.get("event_id") or event_id(record)
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_ID:
        raise ValueError("the event id is no name")
    return Event(sequence=sequence, id=name, record=record, measured=measured)
