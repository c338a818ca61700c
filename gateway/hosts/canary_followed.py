"""A function's view of a canary that the stream's consumer judges: no more sessions than it has earned, none once it does harm.

A function sees too few requests to judge, and is frozen between them. So it reads the consumer's sums of the trial, and
where nobody keeps any, a canary that climbs stays at its first share.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from agents.canary import STREAMED, trial_key, trial_of
from router_core.errors import StoreError
from router_core.learning.canary_test import Trial, allowed_share, harm
from router_core.policy.rollout import Rollout, rollout
from router_core.ports import StateStore

if TYPE_CHECKING:
    from router_core.adapters.aws.ssm_policy import SsmPolicySource

_log: Final = logging.getLogger("tierwise.canary")


class FollowedCanary:
    """`PolicySource` over Parameter Store's. `states` opens the shared state; None where there is none."""

    def __init__(self, source: SsmPolicySource, states: Callable[[], StateStore] | None) -> None:
        self._source, self._states = source, states
        self._key, self._trial, self._harmful, self._read_s = "", Trial(), False, 0.0

    @property
    def refused(self) -> int:
        """Of the source behind."""
        return self._source.refused

    def rollout(self) -> Rollout:
        """The policies in force, the canary's share as far as the trial allows."""
        now = self._source.rollout()
        if now.canary is None:
            return now
        self._follow(now)
        if self._harmful:
            return rollout(now.stable)
        return replace(now, share=min(now.share, allowed_share(self._trial))) if now.ramp else now

    async def look(self, every_s: float) -> None:
        """Read what the consumer has counted, where that was read longer ago. A state that is away leaves what was known.
        By the wall's clock, because a machine that is frozen may stop its own."""
        now = self._source.rollout()
        if now.canary is None or self._states is None:
            return
        self._follow(now)
        if 0.0 <= time.time() - self._read_s < every_s:
            return
        self._read_s = time.time()
        try:
            stored = await self._states().get(self._key)
        except StoreError as error:
            _log.warning("the canary's trial cannot be read: %s", error)
            return
        if stored is not None:
            self._trial = trial_of(stored.value)
        # What did harm once is not let in again because its sums are gone: the rollout document ends it for good.
        self._harmful = self._harmful or harm(self._trial) is not None

    def _follow(self, now: Rollout) -> None:
        """Begin anew when other policies meet."""
        key = trial_key(STREAMED, now)
        if key != self._key:
            self._key, self._trial, self._harmful, self._read_s = key, Trial(), False, 0.0
