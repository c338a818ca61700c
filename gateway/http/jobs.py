"""Asynchronous requests: accepted at once, run by a bounded number of tasks, fetched by their id.

They live in this process: a restart loses what waits, which the answer to a lost id (404) says honestly.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.http.problems import problem_of
from gateway.http.refusals import UnprocessableError
from gateway.http.serving import Serving
from router_core.errors import NoCapacityError
from router_core.inference import InferenceRequest, InferenceResponse
from router_core.own_key import needs_own_key

_KEPT: Final = 1_024
_WAITING_BYTES: Final = 64 * 2**20


@dataclass(slots=True, kw_only=True)
class Job:
    """`stage` CREATED | INFERENCE | COMPLETED | FAILED; `problem` says why it failed. The request is let go of when it
    is over, because it may be large."""

    tenant: str
    request_id: str
    size: int
    request: InferenceRequest | None
    stage: str = "CREATED"
    problem: dict[str, Any] | None = None
    response: InferenceResponse | None = None

    def as_answer(self) -> dict[str, Any]:
        """What is known before, or instead of, a finished answer."""
        body: dict[str, Any] = {
            "request_id": self.request_id,
            "status": "failed" if self.stage == "FAILED" else "queued",
            "stage": self.stage,
        }
        return body if self.problem is None else body | {"problem": self.problem}


class Jobs:
    """Starts tasks as they are needed and lets them end when nothing waits."""

    def __init__(self, serving: Serving, *, running: int, waiting: int) -> None:
        self._serving = serving
        self._running = running
        self._waiting = waiting
        self._queue: deque[Job] = deque()
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._bytes = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Nothing is left from before."""

    def drain(self) -> None:
        """What waits here would be lost, so all of it is run."""

    async def submit(self, request: InferenceRequest, size: int) -> None:
        """Takes a request whose body had `size` bytes, or raises NoCapacityError when too many wait."""
        if needs_own_key(request.preferences.target):
            raise UnprocessableError(
                "a key waits in the durable queue only, which is not set up here; ask without `mode: async`",
                field="$.mode",
            )
        if len(self._queue) >= self._waiting or self._bytes + size > _WAITING_BYTES:
            raise NoCapacityError(
                "too many asynchronous requests are waiting", rejected={}, retry_after_s=5.0
            )
        job = Job(tenant=request.caller.tenant, request_id=request.request_id, size=size, request=request)
        self._jobs[request.request_id] = job
        while len(self._jobs) > _KEPT + self._waiting:
            self._jobs.popitem(last=False)
        self._queue.append(job)
        self._bytes += size
        if len(self._tasks) < self._running:
            task = asyncio.get_running_loop().create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def get(self, tenant: str, request_id: str) -> Job | None:
        """None when it is unknown, gone, or another tenant's."""
        job = self._jobs.get(request_id)
        return job if job is not None and job.tenant == tenant else None

    async def found(self, tenant: str, request_id: str) -> InferenceResponse | Mapping[str, Any] | None:
        """The answer, or what is known before or instead of it."""
        job = self.get(tenant, request_id)
        if job is None:
            return None
        return job.as_answer() if job.response is None else job.response

    @property
    def unfinished(self) -> int:
        return len(self._queue) + len(self._tasks)

    async def stop(self) -> None:
        """Cancels what runs; part of stopping the process."""
        self._queue.clear()
        self._bytes = 0
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self) -> None:
        while self._queue:
            job = self._queue.popleft()
            self._bytes -= job.size
            request, job.request = job.request, None
            if request is not None:
                await self._run(job, request)

    async def _run(self, job: Job, request: InferenceRequest) -> None:
        job.stage = "INFERENCE"
        try:
            job.response = await self._serving.answer(request)
            job.stage = "COMPLETED"
        except Exception as error:  # a job's failure is its answer, whatever it was
            job.stage = "FAILED"
            job.problem = problem_of(error).members(job.request_id)
