"""What travels: a note that names a message, never what it is about. Texts stay sealed in SQL, so a note has about a hundred
bytes whatever was asked, and whoever reads a queue learns ids."""

from __future__ import annotations

import json
from typing import Final

from router_core.record import dataclass

VERSION: Final = 1
MAX_BYTES: Final = 256 * 1024
"""What SNS carries. Longer bodies are not ours and are not even parsed."""
_LONGEST_NAME: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """The message of this key, in this queue, for this request."""

    key: str
    queue: str
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A body from a queue. `receipt` ends it there; None where whoever received it does that."""

    body: str
    receipt: str | None = None


def body_of(note: Note) -> str:
    """The note as it travels."""
    return json.dumps(
        {"v": VERSION, "key": note.key, "queue": note.queue, "request_id": note.request_id},
        separators=(",", ":"),
    )


def note_of(body: str) -> Note | None:
    """The note in a body; None for a body that nobody of ours has written."""
    if len(body) > MAX_BYTES:
        return None
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or found.get("v") != VERSION:
        return None
    names = [found.get(name) for name in ("key", "queue", "request_id")]
    if any(not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME for name in names):
        return None
    return Note(key=str(names[0]), queue=str(names[1]), request_id=str(names[2]))
