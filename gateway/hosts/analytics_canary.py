"""The consumer's canary guard: where functions serve, nobody sees enough requests to judge a canary but the stream.

Which policy decided a request is noted on the mark that its decision leaves, so that an outcome or a judgement finds its arm
whenever it comes, and the trial's sums change in the transaction that counts their event: each once. The sums have a key of
their own, beside the one that gateways add theirs to, because a gateway's requests come through the stream as well.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Final, Protocol

from agents.canary import KEPT_S, LOCK, LOCK_S, SEEN, STREAMED, trial_key, trial_of
from gateway.hosts.analytics_batch import LONGEST_ID, Event
from router_core.errors import StaleStateError, StoreError, TierwiseError
from router_core.events import event_id
from router_core.learning.canary_test import Arm, Harm, Trial, harm, to_value, told
from router_core.learning.event_alerts import PERIOD_S, Alert
from router_core.learning.event_figures import Beside
from router_core.policy.rollout import Rollout
from router_core.ports import StateStore, Versioned

if TYPE_CHECKING:
    from router_core.adapters.aws.ssm_policy_store import SsmPolicyStore

POLL_S: Final = 10.0
"""How old the rollout may be by which arms are told apart."""
ALERT: Final = "CanaryHarm"
HASH: Final = 64
States = Callable[[], AbstractAsyncContextManager[StateStore]]
End = Callable[[Rollout, Harm], bool]
"""Ends the canary and says whether it is ended now. Raises `TierwiseError`. Blocks."""
_log: Final = logging.getLogger("tierwise.analytics")


class Source(Protocol):
    """The policies in force; see `SsmPolicySource`."""

    def catch_up(self, every_s: float) -> bool: ...

    def refresh(self) -> bool: ...

    def rollout(self) -> Rollout: ...


class Store(Protocol):
    """What marks and states say; see `DynamoFigures`."""

    def notes(self, ids: Collection[str]) -> dict[str, str]: ...

    def states(self, keys: Collection[str]) -> dict[str, Versioned]: ...


class StreamedTrial:
    """One per consumer. `source` is opened when it is first needed: trouble with it stops no counting."""

    def __init__(self, source: Callable[[], Source], store: Store, end: End) -> None:
        self._open, self._store, self._end = source, store, end
        self._source: Source | None = None
        self._now: Rollout | None = None
        self._decided: dict[str, str] = {}

    def begin(self, events: Sequence[Event]) -> None:
        """A batch has come: look at the rollout, and remember what its own decisions say."""
        self._decided = {one.record["request_id"]: sha256 for one in events if (sha256 := _decided_by(one))}
        try:
            if self._source is None:
                self._source = self._open()
            self._source.catch_up(POLL_S)
            self._now = self._source.rollout()
        except TierwiseError as error:
            self._now = None
            _log.warning("no canary is judged: %s", error)

    def learned(self, chunk: Sequence[Event]) -> tuple[dict[str, tuple[bytes, int]], Beside]:
        """The trial's sums with this chunk, at the version they must still have; and what is noted on the marks. Raises
        `StoreError`."""
        notes = {one.id: sha256 for one in chunk if (sha256 := _decided_by(one))}
        now = self._now
        if now is None or now.canary is None:
            return {}, Beside(notes=notes)
        arms = self._arms(now, [one for one in chunk if told(one.record)])
        if not arms:
            return {}, Beside(notes=notes)
        key = trial_key(STREAMED, now)
        stored = self._store.states([key]).get(key)
        trial = Trial() if stored is None else trial_of(stored.value)
        for event, arm in arms:
            trial = trial.fold(arm, event.record)
        version = 0 if stored is None else stored.version
        return {key: (to_value(trial), version)}, Beside(notes=notes, ends_s={key: KEPT_S})

    def judge(self, now_s: float) -> Alert | None:
        """End the canary where it does harm; what people should be told of it then. Raises `StoreError`."""
        now = self._now
        if now is None or now.canary is None or self._source is None:
            return None
        key = trial_key(STREAMED, now)
        stored = self._store.states([key]).get(key)
        trial = Trial() if stored is None else trial_of(stored.value)
        found = harm(trial)
        if found is None:
            return None
        _log.error("canary %s is ended: %s", now.canary.label, found.why)
        ended = False
        try:
            ended = self._end(now, found)
            self._source.refresh()
        except TierwiseError as error:
            _log.error("the end of the canary is not recorded: %s", error)
        return _alert(now.canary.label, now_s, trial, found, ended=ended)

    def _arms(self, now: Rollout, events: Sequence[Event]) -> list[tuple[Event, Arm]]:
        """The events of requests that one of the two policies decided. What overtook its own decision is left out."""
        named = [(one, name) for one in events if (name := _request(one))]
        marks = {_mark(name): name for _, name in named if name not in self._decided}
        known = self._decided | {marks[mark]: sha256 for mark, sha256 in self._store.notes(marks).items()}
        arms: dict[str, Arm] = {now.stable.sha256: "stable"}
        if now.canary is not None:
            arms[now.canary.sha256] = "canary"
        return [(one, arm) for one, name in named if (arm := arms.get(known.get(name, "")))]


def ending(policy: Callable[[], SsmPolicyStore], states: States) -> End:
    """Ends a canary in Parameter Store, by one of all consumers and gateways, and forgets its sums: whoever pushes it again
    has changed something else."""

    def end(now: Rollout, found: Harm) -> bool:
        return asyncio.run(_ended(policy, states, now, found))

    return end


async def _ended(policy: Callable[[], SsmPolicyStore], states: States, now: Rollout, found: Harm) -> bool:
    from gateway.composition.canary import end_canary

    async with states() as shared:
        try:
            await shared.put(trial_key(LOCK, now), b"1", expected=0, ttl_s=LOCK_S)
        except StaleStateError as error:
            raise StoreError("another is at it") from error
        await asyncio.to_thread(lambda: end_canary(policy(), now, found))
        await shared.delete(trial_key(STREAMED, now))
        await shared.delete(trial_key(SEEN, now))
    return True


def _decided_by(event: Event) -> str | None:
    """The hash of the policy that took this decision; None for what is none."""
    record = event.record
    sha256 = record.get("policy_sha256")
    good = record.get("kind") == "decision" and isinstance(sha256, str) and len(sha256) == HASH
    return sha256 if good and isinstance(record.get("request_id"), str) else None


def _request(event: Event) -> str | None:
    """The request's id; None for what can be none, which must not keep the records around it from being counted."""
    name = event.record.get("request_id")
    return name if isinstance(name, str) and 0 < len(_mark(name)) <= LONGEST_ID else None


def _mark(request_id: str) -> str:
    return event_id({"kind": "decision", "request_id": request_id})


def _alert(label: str, now_s: float, trial: Trial, found: Harm, *, ended: bool) -> Alert:
    stable, canary = trial.stable.metrics[found.metric], trial.canary.metrics[found.metric]
    figures = (
        (f"{found.metric}_stable", stable.mean),
        (f"{found.metric}_canary", canary.mean),
        ("requests", canary.count),
        ("ended", float(ended)),
    )
    return Alert(kind=ALERT, subject=label, period_s=int(now_s) // PERIOD_S * PERIOD_S, figures=figures)
