"""A document in a file, told only when it changed: what AppConfig is without AWS. Replace it whole (write beside it, rename),
as a rollout and a rollback do."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from router_core.errors import StoreError
from router_core.jobs.tuning import MAX_BYTES

EVERY_S: Final = 2.0


class FileDocument:
    """One file. Blocking; callers bring threads."""

    def __init__(self, path: Path) -> None:
        self._path, self._before = path, b""
        self.every_s = EVERY_S

    def latest(self) -> bytes | None:
        """The document where it is another than before, else None. Raises `StoreError`."""
        try:
            with self._path.open("rb") as file:
                content = file.read(MAX_BYTES + 1)
        except OSError:
            raise StoreError("the tuning's file cannot be read") from None
        if content == self._before:
            return None
        self._before = content
        return content
