"""How far a job is, for whoever asks again and again: kept apart from its history, in memory that may be lost.

A state never goes backwards, whoever writes late: a write counts only where it does not. Texts are not part of it. Before an
answer is there, a fresh state is all that a caller would learn from the history anyway; afterwards the history is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from router_core.jobs.records import Job
from router_core.jobs.stages import COMPLETED, CREATED, FAILED, GATEWAY, INFERENCE, JUDGE
from router_core.record import dataclass

KEPT_S: Final = 7 * 86_400.0
FRESH_S: Final = 2.0
"""What is older may be behind the history: a write may have been lost."""
RANK: Final[Mapping[str, int]] = {CREATED: 0, GATEWAY: 1, INFERENCE: 1, JUDGE: 2, COMPLETED: 3, FAILED: 3}
"""A job goes to and fro between waiting for its turn and being answered, and otherwise only on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveState:
    """How far a tenant's job is; `written_s` is when that was known."""

    request_id: str
    tenant: str
    stage: str
    created_s: float
    runs: int
    written_s: float


class LiveStates(Protocol):
    """Where they are kept. Raises `StoreError`."""

    async def put(self, state: LiveState) -> bool:
        """False, and nothing, when a later state is known."""

    async def get(self, request_id: str) -> LiveState | None: ...


def state_of(job: Job, stage: str, now_s: float) -> LiveState:
    """The job's state, being in `stage` now."""
    return LiveState(
        request_id=job.request_id,
        tenant=job.tenant,
        stage=stage,
        created_s=job.created_s,
        runs=job.runs,
        written_s=now_s,
    )


def enough(state: LiveState, now_s: float) -> bool:
    """Whether it says all that there is to say: no answer yet, and not long ago."""
    return RANK[state.stage] < RANK[JUDGE] and abs(now_s - state.written_s) <= FRESH_S


def job_of(state: LiveState) -> Job:
    """As much of the job as the state knows."""
    return Job(
        request_id=state.request_id,
        tenant=state.tenant,
        created_s=state.created_s,
        size=0,
        stage=state.stage,
        changed_s=state.written_s,
        runs=state.runs,
    )
