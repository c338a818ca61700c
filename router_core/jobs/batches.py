"""Batches as data: a file of requests that are answered within a window, its states, and what is kept of both.

validating -> in_progress -> finalizing -> completed or expired; failed when the file is not what it should be;
cancelling -> cancelled from validating or in_progress. The states and their names are OpenAI's.
"""

from __future__ import annotations

from typing import Final

from router_core.record import dataclass

VALIDATING: Final = "validating"
IN_PROGRESS: Final = "in_progress"
FINALIZING: Final = "finalizing"
CANCELLING: Final = "cancelling"
COMPLETED: Final = "completed"
EXPIRED: Final = "expired"
CANCELLED: Final = "cancelled"
FAILED: Final = "failed"
UNFINISHED: Final = (VALIDATING, IN_PROGRESS, FINALIZING, CANCELLING)
CANCELLABLE: Final = (VALIDATING, IN_PROGRESS)
ENDPOINTS: Final = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses")
INPUT: Final = "batch"
OUTPUT: Final = "batch_output"
LAST_S: Final = 60.0
"""The last part of a window, in which nothing waits for room."""
CHUNK_BYTES: Final = 256 * 1024
"""Files are kept in pieces of this size: what a reader or a writer holds of one in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file of one tenant. `lines` counts those that are not blank."""

    id: str
    tenant: str
    purpose: str
    filename: str
    created_s: float
    expires_s: float | None = None
    bytes: int = 0
    lines: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One batch. `released` counts the lines that have become jobs, in the file's order; `outcome` is how it will end once
    its files are written. `about` is what its owner said of it and who that is, `errors` why its file was not taken."""

    id: str
    tenant: str
    key_id: str
    endpoint: str
    input_file: str
    created_s: float
    expires_s: float
    about: bytes
    status: str = VALIDATING
    outcome: str | None = None
    output_file: str | None = None
    error_file: str | None = None
    started_s: float | None = None
    finalizing_s: float | None = None
    cancelling_s: float | None = None
    ended_s: float | None = None
    total: int = 0
    completed: int = 0
    failed: int = 0
    released: int = 0
    estimate_nano: int = 0
    cost_nano: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    errors: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lent:
    """A batch that one driver works on for a while."""

    batch: Batch
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the released lines are, and what they have cost."""

    waiting: int = 0
    running: int = 0
    completed: int = 0
    failed: int = 0
    cost_nano: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def unfinished(self) -> int:
        return self.waiting + self.running


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which part of a list: the newest `limit` after the entry `after`, oldest first where `ascending`."""

    limit: int = 20
    after: str | None = None
    ascending: bool = False
    purpose: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When lines may take what interactive requests could need: `pressed` from where the time left is less than `reserve`
    times what the remaining lines would take at `per_line_s` each, `running` at once."""

    running: int = 4
    per_line_s: float = 2.0
    reserve: float = 3.0

    def pressed(self, left: int, time_left_s: float) -> bool:
        """Whether waiting for an idle hour would cost lines."""
        return time_left_s < self._wanted_s(left)

    def pressed_from_s(self, left: int, expires_s: float) -> float:
        """The moment from which that is so."""
        return expires_s - self._wanted_s(left)

    def _wanted_s(self, left: int) -> float:
        return left * self.per_line_s / self.running * self.reserve + LAST_S


def line_id(batch_id: str, number: int) -> str:
    """The request's id of a batch's line, the same whoever makes a job of it and however often."""
    return f"req_{batch_id.removeprefix('batch_')}_{number:06d}"
