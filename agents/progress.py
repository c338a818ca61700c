"""How far a stream has come: which target is writing, what the client has, and what each part must be billed for."""

from __future__ import annotations

from agents.attempts import Job, Step, served_by
from agents.streaming import Accepted, joined_usage
from router_core.errors import TargetError, UnavailableError
from router_core.execution import Chunk, Execution, Handoff, Usage
from router_core.inference import Opened
from router_core.ports import ModelCall
from router_core.resources import TargetSpec


class Progress:
    """One stream over all its attempts."""

    def __init__(self, job: Job) -> None:
        self.accepted = Accepted()
        self._job = job
        self._opened = False
        self._source: str | None = None
        self._handoff: Handoff | None = None
        self._before = 0

    def suits(self, spec: TargetSpec) -> bool:
        """Whether a target can take over now: any while nothing was written, else one that can continue a text."""
        return self.accepted.empty or spec.continues

    def take(self, spec: TargetSpec, chunk: Chunk) -> tuple[Opened | Handoff | Chunk, ...]:
        """Accept one chunk; what the client is to be told, in order. Usage is told once, at the end."""
        if chunk.usage is not None:
            return ()
        events: tuple[Opened | Handoff | Chunk, ...] = (chunk,)
        if not self._opened:
            self._opened = True
            events = (
                Opened(decision=self._job.decision, served=served_by(spec), cache=self._job.cache),
                chunk,
            )
        elif self._source is not None and self._source != spec.name:
            self._handoff = Handoff(source=self._source, to=spec.name, at_chars=len(self.accepted.text))
            events = (self._handoff, chunk)
        self._source = None
        self.accepted.add(chunk)
        return events

    def goes_on(self, failed: TargetSpec) -> bool:
        """After a failure: may another target go on? Plain text may be continued; tools, JSON, log-probabilities
        and several choices may not, because the seam would show."""
        if self._opened:
            self._source = self._source or failed.name
            self._before = self.accepted.tokens()
        return self.accepted.empty or self._job.request.params.continuable

    def finished(self, spec: TargetSpec, usage: Usage | None, now: float) -> Execution:
        """The account of a complete stream: the prompt counted once, every part billed."""
        prompt = self._job.context.prompt_tokens
        total = joined_usage(prompt, self._before, usage, self.accepted.tokens())
        return self._job.execution(spec, self.accepted.output(), total, now=now, handoff=self._handoff)


class StreamAttempt:
    """One target's part of a stream."""

    def __init__(self, job: Job, step: Step, accepted: Accepted, call: ModelCall) -> None:
        self.step, self.call = step, call
        self.usage: Usage | None = None
        self.error: TargetError | None = None
        self._job, self._accepted = job, accepted
        self._before = accepted.tokens()
        self.ttft_ms: float | None = None

    def seen(self, chunk: Chunk, after_ms: float) -> None:
        """Note the time of the first chunk, and the usage when it is told."""
        if self.ttft_ms is None:
            self.ttft_ms = after_ms
        if chunk.usage is not None:
            self.usage = chunk.usage

    def ended(self, error: TargetError | None) -> str:
        """The attempt's outcome. An answer that is complete stays so, even if the connection then breaks; one that
        is not is a failure, even if the connection ends politely."""
        if self._accepted.finished:
            return "ok"
        self.error = error or UnavailableError("the stream ended before the answer did")
        return self.error.outcome

    def note(self, outcome: str, latency_ms: float) -> None:
        """Bill the attempt. Without a usage report, what the client got is counted."""
        usage = self.usage
        if usage is None:
            written = self._accepted.tokens() - self._before
            begun = written or outcome == "ok" or (outcome == "cancelled" and self._job.ledger.racing)
            prompt = self._job.context.prompt_tokens if begun else 0
            usage = Usage(prompt_tokens=prompt, completion_tokens=written, estimated=True)
        self._job.ledger.add(
            self.step, outcome, usage, latency_ms=latency_ms, ttft_ms=self.ttft_ms, error=self.error
        )
