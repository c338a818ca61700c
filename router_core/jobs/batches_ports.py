"""The seams of batches: where files, batches and their lines are kept. All raise `StoreError`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from router_core.jobs.batches import Batch, Lent, Page, Progress, StoredFile
from router_core.jobs.records import Job


class FileShelf(Protocol):
    """Files by their owner. Another tenant's file is not there."""

    async def find(self, tenant: str, file_id: str) -> StoredFile | None: ...

    async def page(self, tenant: str, page: Page) -> tuple[StoredFile, ...]: ...

    async def delete(self, tenant: str, file_id: str) -> bool:
        """False when it is not there. Raises `ConflictError` while an unfinished batch needs it."""


class FileContent(Protocol):
    """What is in files, a piece at a time."""

    async def write(self, file: StoredFile, number: int, piece: bytes) -> None:
        """Put a piece, again in the place of the same; the first one makes the file, which nobody sees yet."""

    async def finish(self, file: StoredFile) -> None:
        """It is whole: from now on it is there, with its size."""

    async def read(self, file: StoredFile, number: int) -> bytes | None:
        """A piece; None behind the last one."""


class BatchShelf(Protocol):
    """Batches by their owner. Another tenant's batch is not there."""

    async def create(self, batch: Batch, most: int) -> bool:
        """False and nothing where the tenant has `most` unfinished ones."""

    async def find(self, tenant: str, batch_id: str) -> Batch | None: ...

    async def page(self, tenant: str, page: Page) -> tuple[Batch, ...]: ...


class BatchWork(Protocol):
    """Batches as their drivers see them, each lent to one for a while."""

    async def claim(self, most: int, lent_s: float) -> tuple[Lent, ...]:
        """Unfinished batches that nobody has."""

    async def save(self, lent: Lent, changes: Mapping[str, Any], lent_s: float) -> bool:
        """Change columns of it and keep it for `lent_s` from now (0: give it back); False, and nothing, when it is no longer
        this driver's or its owner has cancelled it meanwhile. A final `status` lets its lines go."""

    async def cancel(self, tenant: str, batch_id: str) -> bool:
        """Its owner wants no more of it; False when it is too late for that."""


class BatchLines(Protocol):
    """The jobs that lines of a batch have become."""

    async def progress(self, batch_id: str) -> Progress: ...

    async def jobs(self, tenant: str, ids: Sequence[str]) -> Mapping[str, Job]: ...

    async def withdraw(self, batch_id: str, *, running: bool) -> int:
        """End the lines that wait, and those that run where `running`, without a result; how many."""
