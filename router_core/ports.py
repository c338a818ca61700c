"""The seams to the outside: protocols of at most three methods that speak core types.

An adapter is one file named for its technology, takes its client in the constructor, raises only core errors,
holds no policy, and passes the contract suite of its port.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import field
from typing import Any, Protocol

from router_core.execution import Chunk, EmbeddingAnswer, ModelAnswer
from router_core.inference import Message, Params
from router_core.jobs.records import Claim, Envelope, Job, Step
from router_core.policy.rollout import Rollout
from router_core.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCall:
    """One call of one target. `timeout_s` bounds the whole call, or for a stream the time to the first chunk;
    `idle_s` bounds the gap between two chunks. `continuation` is text already accepted by the client that the
    answer must go on from (the answer holds only what follows it). A target that knows how sure it is refuses below
    `min_confidence`."""

    request_id: str
    model: str
    messages: tuple[Message, ...]
    params: Params
    task: str
    timeout_s: float
    idle_s: float = 30.0
    continuation: str | None = None
    user: str | None = None
    min_confidence: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedCall:
    request_id: str
    model: str
    inputs: tuple[str, ...]
    timeout_s: float
    dimensions: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a probe saw of a target; None where the target does not tell. Counters are since its start. `load` is the share
    in use of what it may take, 1 and above when that is all. `known` is False where nothing could be learned: neither
    for nor against the target."""

    up: bool
    known: bool = True
    load: float | None = None
    requests_per_min: float | None = None
    tokens_per_min: float | None = None
    rtt_ms: float | None = None
    running: int | None = None
    waiting: int | None = None
    kv_usage: float | None = None
    requests_total: float | None = None
    ttft_sum_s: float | None = None
    ttft_count: float | None = None
    prefix_queries: float | None = None
    prefix_hits: float | None = None
    models: tuple[str, ...] = ()
    detail: str = ""


class Model(Protocol):
    """Answers by generating text. Raises only `TargetError`s; closing the stream cancels the work upstream."""

    async def generate(self, call: ModelCall) -> ModelAnswer: ...

    def stream(self, call: ModelCall) -> AsyncGenerator[Chunk, None]: ...


class Embedder(Protocol):
    async def embed(self, call: EmbedCall) -> EmbeddingAnswer: ...


class HealthProbe(Protocol):
    """Looks at one target off the request path; never raises, an unreachable target is `up=False`."""

    async def probe(self) -> Reading: ...


class ResponseStore(Protocol):
    """Exact response cache. `key` already carries tenant, scope, model and policy."""

    async def get(self, key: str) -> bytes | None: ...

    async def put(self, key: str, value: bytes, ttl_s: float) -> None: ...

    async def evict(self, key: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Remarks:
    """What a service said of a text: kinds of personal data (`router_core.signals.sensitivity`), distinct and sorted, and
    how sure it is, 0 to 1, that the writer is upset; None where that was not asked."""

    kinds: tuple[str, ...] = ()
    upset: float | None = None


class TextScan(Protocol):
    """Asks a service about a text, which it is shown whole, and about the mood of `last`, its last turn, where that is
    given. Raises `StoreError`, and `NotTakenError` for a text or a language that it does not read."""

    async def remarks(self, text: str, language: str, last: str | None = None) -> Remarks: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardCall:
    """A text to be judged: a caller's (`side` input) or a target's (output), then with what it answers in `asked`."""

    text: str
    side: str = "input"
    asked: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardVerdict:
    """What a guard says: whether it would refuse the text, and how sure it is by category, in [0, 1]."""

    flagged: bool = False
    categories: Mapping[str, float] = field(default_factory=dict)


class ContentGuard(Protocol):
    """Asks a service about a text, which it is shown whole. Raises `StoreError` or `TargetError`, and `NotTakenError` for a
    text that it does not judge."""

    async def judge(self, call: GuardCall) -> GuardVerdict: ...


class DocumentReader(Protocol):
    """Asks a service for the text of images of documents, each given in base64: all of them or none, in order. Raises
    `StoreError`, and `NotTakenError` for what it does not read."""

    async def texts(self, images: tuple[str, ...]) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How many nodes of a model are wanted, and how many run."""

    wanted: int
    running: int


class NodeFleet(Protocol):
    """The nodes of one model. Raises `StoreError` when it can't be reached or does not obey."""

    async def standing(self) -> Standing: ...

    async def want(self, count: int) -> None:
        """Have so many; it takes its time, and `standing` tells when it is done."""


class AffinityFeed(Protocol):
    """Tells other workers where a session or a prompt prefix was served, and hears from them, in the background:
    neither call waits or raises."""

    def tell(self, key: bytes, target: str) -> None: ...

    def listen(self, heard: Callable[[bytes, str], None]) -> None: ...


class EventSink(Protocol):
    """Takes records without waiting; what cannot be taken is counted, never raised."""

    def emit(self, record: Mapping[str, Any]) -> None: ...

    async def close(self) -> None: ...


class PolicySource(Protocol):
    """Gives the policies in force, without waiting; swapped whole when the source changes. `refused` counts the changes
    that could not be taken over, so that the last good policy stayed."""

    @property
    def refused(self) -> int: ...

    def rollout(self) -> Rollout: ...


class RateLimiter(Protocol):
    """Admits a request of a key. Raises `RateLimitedError`; `settle` corrects the token estimate afterwards."""

    async def admit(self, key_id: str, tokens: int) -> None: ...

    async def settle(self, key_id: str, estimated: int, used: int) -> None: ...


class Clock(Protocol):
    """Time as data: wall seconds since the epoch, and monotonic seconds."""

    def now_s(self) -> float: ...

    def monotonic_s(self) -> float: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Versioned:
    """A stored value and its version, which grows with every write and starts at 1."""

    value: bytes
    version: int


class StateStore(Protocol):
    """Small shared state by key. Raises `StoreError` when it can't be reached."""

    async def get(self, key: str) -> Versioned | None: ...

    async def put(
        self, key: str, value: bytes, *, expected: int | None = None, ttl_s: float | None = None
    ) -> int:
        """The new version. `expected` is the version that must be there (0: none may be), None writes whatever is
        there. Raises `StaleStateError` when another was faster."""

    async def delete(self, key: str) -> None: ...


class Ledger(Protocol):
    """Money spent by an account within a period such as `2026-11-21`, in micro-USD; exact under concurrency.
    Raises `StoreError` when it can't be reached."""

    async def reserve(self, account: str, period: str, amount: int, limit: int) -> bool:
        """Set `amount` aside and True, or False and nothing when that would pass `limit`."""

    async def settle(self, account: str, period: str, reserved: int, used: int) -> None:
        """Replace what was reserved by what was used, also where that passes the limit: it is spent."""

    async def spent(self, account: str, period: str) -> int:
        """Reserved and used together."""


class JobHistory(Protocol):
    """Asynchronous requests and what came of them. Every change is one act: stored together with the messages that it
    publishes, or not at all. Raises `StoreError`."""

    async def create(self, job: Job, queues: Sequence[str] = ..., envelope: Envelope | None = None) -> bool:
        """Store a new job with its messages; False and nothing when its id is there. The messages alone carry the
        envelope, until its time is over."""

    async def advance(self, claim: Claim, step: Step) -> bool:
        """Store a step of the claimed job; False when another was faster, so that only its cost is added."""

    async def find(self, tenant: str, request_id: str) -> Job | None: ...


class JobQueue(Protocol):
    """Messages, each lent to one worker at a time; what is not ended in time comes back. Raises `StoreError`."""

    async def claim(self, queue: str, most: int, lent_s: float) -> tuple[Claim, ...]: ...

    async def extend(self, claim: Claim, lent_s: float) -> bool:
        """Keep it for `lent_s` from now; False when it is no longer this worker's."""

    async def release(self, claim: Claim, delay_s: float, reason: str, *, counted: bool = True) -> bool:
        """Give it back, to be lent again after `delay_s`; a try that is not `counted` takes nothing from the job."""


class BlobStore(Protocol):
    """Bytes by a key that their content gives them, for a while: what is too large to travel inside a workflow's state.
    May hold callers' content, so it is encrypted and never logged. Raises `StoreError`; `get` also for what is not
    there or was changed."""

    async def put(self, content: bytes) -> str: ...

    async def get(self, key: str) -> bytes: ...
