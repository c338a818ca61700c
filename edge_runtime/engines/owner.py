"""One thread that owns a model session, and the way to it from an event loop.

A thread pool would hand each call to another thread and wake it anew; here a call costs one queue
entry and one wake-up, calls run in order, and a full queue says so at once.
"""

import asyncio
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

Result = TypeVar("Result")
QUEUE_LIMIT = 64
SHORT_CHARS = 80
"""A sentence that a small model reads in a millisecond or two."""


class OwnerBusyError(Exception):
    """As many calls as allowed are waiting already."""


class OwnerClosedError(Exception):
    """The thread was closed; the call was not run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    work: Callable[[], Any]
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[Any]


class OwnerThread:
    """Starts its thread when made. ``limit``: calls waiting or running, beyond which ``run`` refuses."""

    def __init__(self, *, name: str = "model-owner", limit: int = QUEUE_LIMIT) -> None:
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._limit = limit
        self._open = 0
        self._closed = False
        self._guard = threading.Lock()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    async def run(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """Runs ``work(*arguments)`` on the thread and returns its result or raises its error.

        Raises ``OwnerBusyError`` when the queue is full and ``OwnerClosedError`` after ``close``. A
        caller that is cancelled while waiting is skipped; work that has begun runs to its end.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Result] = loop.create_future()
        with self._guard:
            if self._closed:
                raise OwnerClosedError
            if self._open >= self._limit:
                raise OwnerBusyError
            self._open += 1
            self._jobs.put(_Job(work=lambda: work(*arguments), loop=loop, done=done))
        return await done

    @property
    def waiting(self) -> int:
        """Calls waiting or running now."""
        return self._open

    @property
    def closed(self) -> bool:
        """Whether no more calls are taken."""
        return self._closed

    def close(self, timeout_s: float = 5.0) -> None:
        """Refuses new calls, fails those still waiting, and waits for the running one."""
        with self._guard:
            if self._closed:
                return
            self._closed = True
            self._jobs.put(None)
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout_s)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            result, error = self._serve(job)
            with self._guard:
                self._open -= 1
            _post(job, result, error)

    def _serve(self, job: _Job) -> tuple[Any, BaseException | None]:
        if job.done.cancelled():
            return None, None
        if self._closed:
            return None, OwnerClosedError()
        try:
            return job.work(), None
        except Exception as error:
            return None, error


class PromptOwner(OwnerThread):
    """For a client, whose loop serves one user: work on a short text is done where it is asked for, if the thread is idle.

    A sentence takes a millisecond or two; on a busy machine, waking a thread and being woken by it takes longer than that.
    A server keeps to ``OwnerThread``, because its loop has others to serve.
    """

    async def run(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """As ``OwnerThread.run``; work on a text of at most ``SHORT_CHARS`` cannot be cancelled."""
        short = bool(arguments) and isinstance(arguments[0], str) and len(arguments[0]) <= SHORT_CHARS
        if short and not self.waiting and not self.closed:
            return work(*arguments)
        return await super().run(work, *arguments)


def _post(job: _Job, result: Any, error: BaseException | None) -> None:
    try:
        job.loop.call_soon_threadsafe(_settle, job.done, result, error)
    except RuntimeError:
        # The loop ended before its answer was ready: nobody is left to tell.
        return


def _settle(done: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(result)
    else:
        done.set_exception(error)
