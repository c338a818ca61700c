"""What is kept of an asynchronous request, and what one act changes of it.

Texts (request, answer, judgement, problem, webhook) are bytes that a store keeps encrypted; everything an operator or a
report may see is a column of its own.
"""

from __future__ import annotations

from typing import Final

from router_core.record import dataclass

NANO: Final = 1_000_000_000
"""Money is whole nano-USD, so that sums are exact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one run gave, as columns: no text."""

    tier: str | None = None
    target: str | None = None
    model: str | None = None
    policy: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_nano: int = 0


NO_FIGURES: Final = Figures()


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One asynchronous request. `runs` counts the runs that were begun, `judge_runs` those of the judge; `repeated_nano`
    is what runs cost whose result was not the one that was stored. `size` is the request's, in bytes; `batch` the batch
    that it is a line of."""

    request_id: str
    tenant: str
    created_s: float
    size: int
    stage: str = "CREATED"
    changed_s: float = 0.0
    request: bytes | None = None
    webhook: bytes | None = None
    answer: bytes | None = None
    judgement: bytes | None = None
    problem: bytes | None = None
    figures: Figures = NO_FIGURES
    score: float | None = None
    judge_nano: int = 0
    repeated_nano: int = 0
    runs: int = 0
    judge_runs: int = 0
    batch: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What only the message carries, beside the job: a caller's own key for a provider, sealed, until that moment."""

    sealed: bytes
    until_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A message lent to one worker until its time is over. `tries` counts the lendings, this one included; `reason` is
    what the try before said; `token` tells this lending from the next; `envelope` is what the message carries sealed."""

    key: str
    queue: str
    token: str
    tries: int
    job: Job
    reason: str | None = None
    envelope: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One change of a job, stored whole or not at all: its new stage, what is known now, the queues that get a message
    for it, and whether its message is done with or `buried` among the dead ones, with this reason."""

    stage: str
    answer: bytes | None = None
    judgement: bytes | None = None
    problem: bytes | None = None
    figures: Figures | None = None
    score: float | None = None
    judge_nano: int = 0
    publish: tuple[str, ...] = ()
    buried: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message as an operator sees it: ids, times, sizes and reasons, no text."""

    key: str
    queue: str
    request_id: str
    tenant: str
    stage: str
    state: str
    tries: int
    age_s: float
    bytes: int
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A message to be handed to a transport outside of the store, which is the caller's to do until `until_s`: a live one to
    whoever works on its queue, a `dead` one, with its reason, to where dead messages lie."""

    key: str
    queue: str
    request_id: str
    dead: bool
    tries: int
    reason: str | None
    until_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """How full a queue is. `oldest_s` is the age of the oldest message that waits."""

    queue: str
    waiting: int
    delayed: int
    running: int
    dead: int
    oldest_s: float
