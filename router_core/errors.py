"""Every error Tierwise raises on purpose, in one tree.

TierwiseError
├── RequestError                 the caller's fault: 4xx
│   ├── NotFoundError            404
│   ├── ForbiddenError           403
│   │   └── GuardBlockedError    403, a rule of the policy's guard
│   ├── ConflictError            409
│   ├── TooLargeError            413
│   ├── KeyExpiredError          403, a caller's own key for a provider is no longer kept
│   └── RateLimitedError         429, `retry_after_s`
├── NoTargetError                no target is left after the filters
│   ├── NoPermittedTargetError   none may or can serve it: 422
│   └── NoCapacityError          permitted ones are busy or throttled: 503
├── TargetError                  one target failed one attempt
│   ├── TimeoutTargetError       retryable; too slow to connect, answer or go on
│   ├── ThrottledError           retryable; `retry_after_s`
│   ├── UnavailableError         retryable; refused connection, 5xx, cut, malformed answer
│   └── RefusedError             not retryable here: bad request for it, not confident, no access
│       └── KeyThrottledError    the caller's own key is out of its quota there; says nothing of the target
├── AllTargetsFailedError        502, carries the attempts
├── DeadlineError                504, the deadline passed in execution, carries the attempts
├── GuardUnavailableError        503, a guard that must answer did not
├── LostError                    500, a stage of the workflow died
├── StoreError                   cache, state or telemetry; never fails a request
│   ├── StaleStateError          a conditional write found another version
│   └── NotTakenError            a service does not read such content
└── ConfigurationError           at start only

Messages are read by users: one sentence, no secret, no address of an upstream.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:  # the tree must import nothing at run time
    from router_core.execution import Attempt


class TierwiseError(Exception):
    """Base of everything below. `policy` is the label of the policy that decided, where one had decided."""

    retryable: ClassVar[bool] = False
    policy: str | None = None


class RequestError(TierwiseError):
    """The request is wrong. `field` names where, as a JSON path, when known."""

    def __init__(self, detail: str, *, field: str | None = None) -> None:
        super().__init__(detail)
        self.field = field


class NotFoundError(RequestError):
    """The named thing does not exist, or belongs to somebody else."""


class ForbiddenError(RequestError):
    """The caller's role, key policy or a guard forbids it."""


class GuardBlockedError(ForbiddenError):
    """A rule of the policy's guard refuses the content; `rules` are the names of those that fired."""

    outcome: ClassVar[str] = "guard_blocked"

    def __init__(self, detail: str, *, field: str | None = None, rules: tuple[str, ...] = ()) -> None:
        super().__init__(detail, field=field)
        self.rules = rules


class ConflictError(RequestError):
    """The same idempotency key came with another body, or the state forbids the act."""


class TooLargeError(RequestError):
    """A limit on size, depth or count was passed."""


class RateLimitedError(RequestError):
    """Our own limit; try again after `retry_after_s` seconds."""

    def __init__(self, detail: str, *, retry_after_s: float) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class KeyExpiredError(RequestError):
    """The caller's own key, kept for an asynchronous request, passed its time before the request's turn came."""


class NoTargetError(TierwiseError):
    """No target is left. `rejected` maps each target to its reason; `outcome` is the word used in metrics."""

    outcome: ClassVar[str] = "no_target"

    def __init__(
        self, detail: str, *, rejected: Mapping[str, str], retry_after_s: float | None = None
    ) -> None:
        super().__init__(detail)
        self.rejected = rejected
        self.retry_after_s = retry_after_s


class NoPermittedTargetError(NoTargetError):
    """No configured target may or can serve this request."""

    outcome = "not_permitted"


class NoCapacityError(NoTargetError):
    """Permitted targets exist, but all are busy, throttled or down."""

    outcome = "no_capacity"


class TargetError(TierwiseError):
    """One attempt on one target failed; `outcome` is the word used in attempts and metrics."""

    outcome: ClassVar[str] = "error"


class TimeoutTargetError(TargetError):
    retryable = True
    outcome = "timeout"


class ThrottledError(TargetError):
    retryable = True
    outcome = "throttled"

    def __init__(self, detail: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class UnavailableError(TargetError):
    retryable = True
    outcome = "unavailable"


class RefusedError(TargetError):
    outcome = "refused"


class KeyThrottledError(RefusedError):
    """The caller's own key is out of its quota at the provider. Others' keys are not, so the target is as good as before."""

    outcome = "throttled"

    def __init__(self, detail: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class AllTargetsFailedError(TierwiseError):
    """Every permitted target was tried. `last` is the final target error."""

    def __init__(self, attempts: tuple[Attempt, ...], last: TargetError) -> None:
        super().__init__(f"every target failed; the last said: {last}")
        self.attempts = attempts
        self.last = last


class DeadlineError(TierwiseError):
    """The request's deadline passed while a target was working."""

    def __init__(self, attempts: tuple[Attempt, ...], deadline_ms: float) -> None:
        super().__init__(f"the deadline of {deadline_ms:.0f} ms passed before an answer was complete")
        self.attempts = attempts
        self.deadline_ms = deadline_ms


class GuardUnavailableError(TierwiseError):
    """A guard without whose word the content may not pass could not be asked; `rules` are those that wanted it."""

    retryable = True
    outcome: ClassVar[str] = "guard_unavailable"

    def __init__(self, detail: str, *, rules: tuple[str, ...] = ()) -> None:
        super().__init__(detail)
        self.rules = rules


class LostError(TierwiseError):
    """A stage of the workflow ended without saying why in our words: its machine died, or it ran past its time."""


class StoreError(TierwiseError):
    retryable = True


class StaleStateError(StoreError):
    """A conditional write found another version than it expected: read again and decide again."""

    retryable = False


class NotTakenError(StoreError):
    """A service does not read such content: too long, another language, no image. It says nothing of its health."""

    retryable = False


class ConfigurationError(TierwiseError):
    """Settings or policy are wrong; raised at start, or when a new policy is refused."""
