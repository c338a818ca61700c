"""What goes into a log file: every record once, and before a decision the state and policy that it names.

Decides that each file can be replayed by itself: when old files are deleted, a decision that is kept still finds its
snapshot, because the newest ones seen are written again into every file in which something refers to them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any, Final

from router_core.adapters.events.file import EventFiles
from router_core.adapters.events.frame import encode

REFERENCE_KINDS: Final = ("state", "policy")
CACHED_RECORDS: Final = 512
CACHED_BYTES: Final = 32 * 1024 * 1024
_LINKS: Final = ("policy_sha256", "state_sha256")


class ReferenceFrames:
    """Encoded state and policy records by hash, the longest unused forgotten first."""

    def __init__(self) -> None:
        self._frames: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0

    def keep(self, sha256: str, frame: bytes) -> None:
        self._bytes += len(frame) - len(self._frames.pop(sha256, b""))
        self._frames[sha256] = frame
        while len(self._frames) > 1 and (len(self._frames) > CACHED_RECORDS or self._bytes > CACHED_BYTES):
            self._bytes -= len(self._frames.popitem(last=False)[1])

    def get(self, sha256: str) -> bytes | None:
        frame = self._frames.get(sha256)
        if frame is not None:
            self._frames.move_to_end(sha256)
        return frame


class EventWriter:
    """Frames batches and appends them. Used by one thread; knows no queue and no time."""

    def __init__(self, files: EventFiles) -> None:
        self._files = files
        self._references = ReferenceFrames()
        self._present: set[str] = set()

    def write(self, records: Iterable[Mapping[str, Any]]) -> int:
        """Append one batch by one write; returns how many records had no JSON form. Raises OSError: none is written."""
        framed: list[tuple[Mapping[str, Any], bytes]] = []
        unfit = 0
        for record in records:
            try:
                frame = encode(record)
            except ValueError:
                unfit += 1
                continue
            framed.append((record, frame))
            if record.get("kind") in REFERENCE_KINDS:
                self._references.keep(str(record.get("sha256")), frame)
        if framed:
            self._append(framed)
        return unfit

    def _append(self, framed: list[tuple[Mapping[str, Any], bytes]]) -> None:
        data, present = self._compose(framed, self._present)
        if not self._files.fits(len(data)):
            self._files.roll()
            self._present = set()
            data, present = self._compose(framed, self._present)
        self._files.append(data)
        self._present |= present

    def _compose(
        self, framed: list[tuple[Mapping[str, Any], bytes]], before: set[str]
    ) -> tuple[bytes, set[str]]:
        """The bytes of a batch for a file that already holds the references `before`, and those it adds."""
        parts: list[bytes] = []
        added: set[str] = set()
        for record, frame in framed:
            if record.get("kind") in REFERENCE_KINDS:
                own = str(record.get("sha256"))
                if own not in before and own not in added:
                    added.add(own)
                    parts.append(frame)
                continue
            parts += self._missing(record, before, added)
            parts.append(frame)
        return b"".join(parts), added

    def _missing(self, record: Mapping[str, Any], before: set[str], added: set[str]) -> list[bytes]:
        frames = []
        for link in _LINKS:
            sha256 = record.get(link)
            if isinstance(sha256, str) and sha256 not in before and sha256 not in added:
                frame = self._references.get(sha256)
                if frame is not None:
                    added.add(sha256)
                    frames.append(frame)
        return frames
