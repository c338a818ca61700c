"""When a failed try is followed by another, after which wait, and when a message is poison."""

from __future__ import annotations

from router_core.errors import NoCapacityError, RateLimitedError, StoreError, TierwiseError
from router_core.record import dataclass

MAX_REASON: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """Try later. Not `counted`: the job did nothing wrong, it only has to wait for its turn."""

    delay_s: float
    reason: str
    counted: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The error is the answer: the caller would have been told the same."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Poison:
    """No further try; the message goes to the dead ones."""

    reason: str


Verdict = Again | Answered | Poison


@dataclass(frozen=True, slots=True, kw_only=True)
class Tries:
    """`most` tries, the wait before another doubling from `first_s` to at most `longest_s`. What has only to wait for
    its turn waits at most `patience_s` since it was accepted."""

    most: int = 5
    first_s: float = 1.0
    longest_s: float = 60.0
    patience_s: float = 86_400.0

    def wait_s(self, tries: int) -> float:
        """The wait after so many tries."""
        return min(self.longest_s, self.first_s * 2.0 ** min(tries - 1, 30))

    def exhausted(self, tries: int) -> bool:
        """Whether a message that was lent so often, this time included, may not be tried any more."""
        return tries > self.most

    def verdict(self, error: BaseException, tries: int, age_s: float) -> Verdict:
        """What follows from a try that raised. An error of ours is what a caller would have been told, except where
        waiting helps; anything else may be poison."""
        reason = told(error)
        if isinstance(error, RateLimitedError | NoCapacityError) and age_s < self.patience_s:
            wanted = error.retry_after_s or 0.0
            return Again(delay_s=min(self.longest_s, max(self.first_s, wanted)), reason=reason, counted=False)
        if isinstance(error, TierwiseError) and not isinstance(error, StoreError):
            return Answered(reason=reason)
        if tries >= self.most:
            return Poison(reason=reason)
        return Again(delay_s=self.wait_s(tries), reason=reason)


def told(error: BaseException) -> str:
    """Why, for operators: the kind of error, without its words, which may repeat what a caller wrote."""
    return type(error).__name__[:MAX_REASON]


def lost(claim_reason: str | None, most: int) -> str:
    """The reason of a message whose workers all died."""
    return f"given up after {most} tries: {claim_reason or 'the worker died'}"[:MAX_REASON]
