"""What all gateways together learned of the targets: read now and then, and put behind this one's own estimates.

A gateway that has just started, or that few requests reach, then decides with everybody's experience. Off the request path;
a store that is away leaves what was read last. Estimates are folded by the stream's consumer; what judgements teach is one
small value per target, to which each gateway adds what it learned since the last time, and then believes the whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from router_core.errors import StaleStateError, StoreError
from router_core.learning.estimates import Estimates
from router_core.learning.online import Residual, from_value, merge, to_value
from router_core.learning.online_learner import OnlineLearner
from router_core.learning.shared_estimates import SharedEstimates, blend, load
from router_core.ports import Clock, StateStore
from router_core.resources import TargetSpec

READ_S: Final = 30.0
"""How often it is worth asking, however often a host looks: the stream's consumer folds in batches, and speed changes over minutes."""
TRIES: Final = 4
_NOTHING: Final = Estimates()


class Others:
    """Everybody's estimates of the targets that `specs` describe. Wall time counts, because a host that is frozen between
    requests may have no other."""

    def __init__(self, specs: tuple[TargetSpec, ...], store: StateStore, clock: Clock) -> None:
        self._priors = {spec.name: spec.quality_default for spec in specs}
        self._store, self._now = store, clock.now_s
        self._asked_s: float | None = None
        self._known: Mapping[str, SharedEstimates] = {}

    async def read(self) -> None:
        """Ask the store, where the last time was long enough ago; when it is away, nothing changes."""
        now = self._now()
        if self._asked_s is not None and 0.0 <= now - self._asked_s < READ_S:
            return
        self._asked_s = now
        with suppress(StoreError):
            self._known = await load(self._store, self._priors)

    def behind(self, own: Mapping[str, Estimates]) -> Mapping[str, Estimates]:
        """The own estimates with everybody's behind them."""
        blended = dict(own)
        for name, shared in self._known.items():
            blended[name] = blend(own.get(name, _NOTHING), shared, quality_prior=self._priors[name])
        return blended


class SharedResiduals:
    """The learner's exchange with everybody's; without a store there is nobody to exchange with."""

    def __init__(
        self, learner: OnlineLearner, specs: tuple[TargetSpec, ...], store: StateStore | None, clock: Clock
    ) -> None:
        self._learner, self._store, self._now = learner, store, clock.now_s
        self._targets = [spec.name for spec in specs]
        self._asked_s: float | None = None

    async def exchange(self) -> None:
        """Once for each target, where the last time was long enough ago; what the store doesn't take goes with the next."""
        store, now = self._store, self._now()
        if store is None or (self._asked_s is not None and 0.0 <= now - self._asked_s < READ_S):
            return
        self._asked_s, taken = now, self._learner.take()
        for target in self._targets:
            mine = taken.get(target)
            try:
                whole = await _added(store, target, mine)
            except StoreError:
                if mine is not None:
                    self._learner.give_back(target, mine)
                continue
            if whole is not None:
                self._learner.hear(target, whole)


async def _added(store: StateStore, target: str, mine: Residual | None) -> Residual | None:
    """Everybody's with `mine`; None where nobody was told anything. Raises `StoreError`."""
    key = f"residual#{target}"
    for _ in range(TRIES):
        stored = await store.get(key)
        known = None if stored is None else _read(stored.value)
        if mine is None:
            return known
        whole = mine if known is None else merge(known, mine)
        with suppress(StaleStateError):
            await store.put(key, to_value(whole), expected=0 if stored is None else stored.version)
            return whole
    raise StoreError("other gateways were faster each time")


def _read(value: bytes) -> Residual | None:
    try:
        return from_value(value)
    except ValueError:  # written by another release: begin anew
        return None
