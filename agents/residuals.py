"""What judgements taught all gateways of the targets: handed on and taken in now and then, off the request path.

One small value per target in the shared state. Each gateway adds what it learned since the last time and believes the whole.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from router_core.errors import StaleStateError, StoreError
from router_core.learning.online import Residual, from_value, merge, to_value
from router_core.learning.online_learner import OnlineLearner
from router_core.ports import StateStore

TRIES: Final = 4


class SharedResiduals:
    """The learner's exchange with everybody's."""

    def __init__(self, learner: OnlineLearner, targets: tuple[str, ...], store: StateStore) -> None:
        self._learner, self._targets, self._store = learner, targets, store

    async def exchange(self) -> None:
        """Once for each target; what the store doesn't take goes with the next time."""
        taken = self._learner.take()
        for target in self._targets:
            mine = taken.get(target)
            try:
                whole = await self._added(target, mine)
            except StoreError:
                if mine is not None:
                    self._learner.give_back(target, mine)
                continue
            if whole is not None:
                self._learner.hear(target, whole)

    async def _added(self, target: str, mine: Residual | None) -> Residual | None:
        """Everybody's with `mine`; None where nobody was told anything. Raises `StoreError`."""
        key = f"residual#{target}"
        for _ in range(TRIES):
            stored = await self._store.get(key)
            known = None if stored is None else _read(stored.value)
            if mine is None:
                return known
            whole = mine if known is None else merge(known, mine)
            with suppress(StaleStateError):
                version = 0 if stored is None else stored.version
                await self._store.put(key, to_value(whole), expected=version)
                return whole
        raise StoreError("other gateways were faster each time")


def _read(value: bytes) -> Residual | None:
    try:
        return from_value(value)
    except ValueError:  # written by another release: begin anew
        return None
