"""Payloads that stay below the limit of a workflow's state: what is large goes by reference.

Step Functions hands on at most 256 KiB. Seven values of `MAX_INLINE` and what a failed stage said stay below it,
whatever they hold; anything larger is put away and travels as `{"by_reference": key}`, beside the few members that the
state machine's choices read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from router_core.ports import BlobStore

MAX_INLINE: Final = 24 * 1024
REFERENCE: Final = "by_reference"
_SEEN: Final = ("hit", "status", "error")


async def pack(value: Mapping[str, Any], blobs: BlobStore, *, inline: bool = True) -> dict[str, Any]:
    """The value as it travels; not `inline` whatever its size, where it must not be seen. Raises `StoreError`."""
    body = json.dumps(value, separators=(",", ":"))
    if inline and len(body) <= MAX_INLINE:
        return dict(value)
    seen = {name: value[name] for name in _SEEN if name in value}
    return {**seen, REFERENCE: await blobs.put(body.encode())}


async def unpack(value: Any, blobs: BlobStore) -> Any:
    """The value as it was packed. Raises `StoreError`."""
    if not isinstance(value, Mapping) or REFERENCE not in value:
        return value
    return json.loads(await blobs.get(value[REFERENCE]))
