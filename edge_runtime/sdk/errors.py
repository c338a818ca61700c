"""Why the client gives no answer: one error per reason, so that an app can say the right thing to its user."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from router_core.errors import NoTargetError

OFFLINE: Final = "offline"
SLOW: Final = "slow"
REFUSED: Final = "refused"
OVER_BUDGET: Final = "over_budget"
UNAVAILABLE: Final = "unavailable"
REASONS: Final = (OFFLINE, SLOW, REFUSED, OVER_BUDGET, UNAVAILABLE)
_REASON_OF_WORD: Final = {"network": OFFLINE, "budget": OVER_BUDGET, "deadline": SLOW, "busy": UNAVAILABLE}


class ClientError(Exception):
    """No answer. `reason` is one of `REASONS`; `rejected` says why each target that was not asked could not be. A tree of
    its own: what a gateway answers with a status, an app tells its user."""

    reason: ClassVar[str] = UNAVAILABLE
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str, *, rejected: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.rejected: Mapping[str, str] = rejected or {}


class OfflineError(ClientError):
    """The answer is not on this device, and the gateway cannot be reached."""

    reason = OFFLINE
    retryable = True


class SlowError(ClientError):
    """No answer before the deadline, or none to be expected before it."""

    reason = SLOW
    retryable = True


class DeclinedError(ClientError):
    """Whoever might answer is not sure enough, or may not: the same request again gets the same."""

    reason = REFUSED


class OverBudgetError(ClientError):
    """Every answer would cost more than the caller, or the policy, wants to spend."""

    reason = OVER_BUDGET


class GatewayError(ClientError):
    """The gateway, or what is behind it, is there and fails."""

    reason = UNAVAILABLE
    retryable = True


ERROR_OF: Final[Mapping[str, type[ClientError]]] = {
    each.reason: each for each in (OfflineError, SlowError, DeclinedError, OverBudgetError, GatewayError)
}


def no_target(error: NoTargetError) -> ClientError:
    """What a decision without any target means for the app: what time, money or a connection would change goes
    before what nothing changes."""
    words = {reason.partition(":")[0] for reason in error.rejected.values()}
    reason = next((named for word, named in _REASON_OF_WORD.items() if word in words), REFUSED)
    return ERROR_OF[reason](str(error), rejected=error.rejected)
