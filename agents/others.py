"""What all gateways together learned of the targets: read now and then, and put behind this one's own estimates.

A gateway that has just started, or that few requests reach, then decides with everybody's experience. Off the request path;
a store that is away leaves what was read last.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from router_core.errors import StoreError
from router_core.learning.estimates import Estimates
from router_core.learning.shared_estimates import SharedEstimates, blend, load
from router_core.ports import Clock, StateStore
from router_core.resources import TargetSpec

READ_S: Final = 30.0
"""How often it is worth asking, however often a host looks: the stream's consumer folds in batches, and speed changes over minutes."""
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
