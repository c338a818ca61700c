"""A record as an item of the decisions table, and back to the same bits.

The whole record lies in one attribute as JSON (deflated where that saves a write unit); beside it stand only the keys and
what an operator filters by. Decisions alone carry the index's keys, so that the index holds nothing else. A record too
large for an item goes to the archive by reference, or without an archive loses its largest parts, which it then names.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final, TypeGuard

import orjson

from router_core.adapters.events.frame import MAX_FRAME_BYTES, to_json
from router_core.errors import StoreError
from router_core.events import event_id

REFERENCES: Final = ("policy", "state")
"""What decisions name by its hash: one item per hash, under a request id of its own that no request can have."""
KINDS: Final = ("decision", "outcome", "quality", *REFERENCES)
FILTERS: Final = ("tier", "chosen", "class")
"""Attributes of a decision's item that a query may narrow by, named as in the record."""
MAX_BODY_BYTES: Final = 390_000
"""DynamoDB takes 400 kB per item; the rest is for keys and filters, which are bounded to `MAX_TEXT_BYTES` each."""
MAX_TEXT_BYTES: Final = 1_024
_DEFLATE_ABOVE: Final = 1_024
_KEPT: Final = frozenset(
    {"kind", "schema", "time", "request_id", "tenant", "chosen", "tier", "class", "status", "target"}
)
Item = dict[str, Any]
Archived = Callable[[bytes], str]
"""Keeps a body elsewhere and gives the key it is found by."""


def item_of(record: Mapping[str, Any], *, expires_s: int, archived: Archived | None = None) -> Item:
    """The item of a record of `KINDS`. Raises ValueError for what has no place in the table: no request id or hash, no JSON
    form, or too long even after trimming."""
    kind, request_id = record.get("kind"), record.get("request_id")
    if kind in REFERENCES:
        return _reference(record, expires_s=expires_s, archived=archived)
    if (
        kind not in KINDS
        or not isinstance(request_id, str)
        or not 0 < len(request_id.encode()) <= MAX_TEXT_BYTES
    ):
        raise ValueError("the record belongs to no request")
    item = {
        "request_id": {"S": request_id},
        "kind": {"S": sort_key(record)},
        "expires": {"N": str(expires_s)},
        **_body(record, archived),
    }
    return {**item, **_indexed(record)} if kind == "decision" else item


def reference_key(kind: str, sha256: str) -> str:
    """The request id under which a snapshot or policy lies."""
    return f"{kind}#{sha256}"


def _reference(record: Mapping[str, Any], *, expires_s: int, archived: Archived | None) -> Item:
    """Whole or not at all: what is trimmed has another hash. A policy has no end, because a process names it once and may
    decide by it for months; there are few."""
    kind, sha256 = str(record["kind"]), record.get("sha256")
    if not isinstance(sha256, str) or not 0 < len(sha256.encode()) <= MAX_TEXT_BYTES // 2:
        raise ValueError("the record has no hash")
    body = _whole(record, archived)
    if body is None:
        raise ValueError("the record is too long")
    end = {} if kind == "policy" else {"expires": {"N": str(expires_s)}}
    return {"request_id": {"S": reference_key(kind, sha256)}, "kind": {"S": kind}, **end, **body}


def sort_key(record: Mapping[str, Any]) -> str:
    """`decision`, `outcome`, `outcome#1` for a device's own report, `quality#judge-<microseconds>`: the record's name
    within its request, so that the same record written twice is one item and different ones never meet."""
    kind = str(record.get("kind"))
    number = event_id(record).rpartition(f":{kind}:")[2]
    if len(number.encode()) > MAX_TEXT_BYTES // 2:
        raise ValueError("the record's source is too long")
    return kind if number == "0" else f"{kind}#{number}"


def record_of(
    item: Mapping[str, Any], fetched: Callable[[str], bytes] | None = None
) -> dict[str, Any] | None:
    """The record of an item, `fetched` from the archive where it lies there; None where it cannot be read."""
    try:
        if "archived" in item:
            body = b"null" if fetched is None else fetched(item["archived"]["S"])
        else:
            body = item["record"]["B"]
            body = _inflated(body) if item["encoding"]["S"] == "zlib" else body
        record = orjson.loads(body)
    except (KeyError, TypeError, ValueError, zlib.error):
        return None
    return record if isinstance(record, dict) else None


def _body(record: Mapping[str, Any], archived: Archived | None) -> Item:
    return _whole(record, archived) or _trimmed(record)


def _whole(record: Mapping[str, Any], archived: Archived | None) -> Item | None:
    """The record in the item or in the archive; None where neither takes it."""
    whole = to_json(record)
    packed = _packed(whole)
    if _size(packed) <= MAX_BODY_BYTES:
        return packed
    if archived is not None and len(whole) <= MAX_FRAME_BYTES:
        with suppress(StoreError):  # a trimmed record is worth more than none
            return {"archived": {"S": archived(whole)}}
    return None


def _packed(body: bytes) -> Item:
    deflated = zlib.compress(body, 1) if len(body) > _DEFLATE_ABOVE else body
    if len(deflated) < len(body):
        return {"record": {"B": deflated}, "encoding": {"S": "zlib"}}
    return {"record": {"B": body}, "encoding": {"S": "json"}}


def _size(packed: Item) -> int:
    return len(packed["record"]["B"])


def _trimmed(record: Mapping[str, Any]) -> Item:
    """Without its largest fields, as few as it takes; `trimmed` in the record names them."""
    left, names = dict(record), list[str]()
    sizes = {name: len(to_json({name: value})) for name, value in record.items() if name not in _KEPT}
    for name in sorted(sizes, key=lambda name: (-sizes[name], name)):
        del left[name]
        names.append(name)
        packed = _packed(to_json({**left, "trimmed": names}))
        if _size(packed) <= MAX_BODY_BYTES:
            return packed
    raise ValueError("the record is too long")


def _indexed(record: Mapping[str, Any]) -> Item:
    """The index's keys and the filters. A decision without tenant or time is found by its id only."""
    tenant, time_s = record.get("tenant"), record.get("time")
    if not _text(tenant) or not isinstance(time_s, int | float) or not math.isfinite(time_s):
        return {}
    filters = {name: {"S": record[name]} for name in FILTERS if _text(record.get(name))}
    return {"tenant": {"S": tenant}, "time": {"N": repr(float(time_s))}, **filters}


def _text(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value.encode()) <= MAX_TEXT_BYTES


def _inflated(body: bytes) -> bytes:
    """Bounded: a few bytes can claim to be gigabytes."""
    inflating = zlib.decompressobj()
    whole = inflating.decompress(body, MAX_FRAME_BYTES)
    if not inflating.eof:
        raise ValueError("the record is longer than a record can be, or cut")
    return whole
