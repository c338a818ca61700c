"""Changing the policy of an environment: push a canary, promote it, roll back; each step safe to stop after.

Order is what makes it safe, because Parameter Store has no transactions. A document is written before a label points to
it; the share rises last and falls first; `stable` moves before the canary's sessions are given back, so that none sees
the old policy again. Every change ends with one new version of the rollout document: who, when, why, from, to.

Versions are kept 100 at a time, and a label on the oldest one blocks every write. So a labelled version that falls
`ROOM` behind is written again, and its label moves along.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from router_core.adapters.aws.ssm_policy_store import KEPT, SsmPolicyStore, Stored
from router_core.deployment import CANARY, STABLE
from router_core.errors import ConfigurationError, NotFoundError, StaleStateError, TierwiseError
from router_core.learning.off_policy.verdict import Verdict
from router_core.policy.document import Policy
from router_core.policy.parse import parse
from router_core.policy.rollout import MAX_WORDS, Change, Shift, parse_shift
from router_core.record import dataclass

ROOM: Final = 90
"""A label is moved to a new version before it is further behind than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What Parameter Store held when it was read, oldest first."""

    versions: tuple[Stored, ...]
    shifts: tuple[Stored, ...]

    def labelled(self, label: str) -> Stored | None:
        """The version with this label."""
        return next((one for one in self.versions if label in one.labels), None)

    @property
    def in_force(self) -> Stored | None:
        """The stable version, without that label the newest."""
        return self.labelled(STABLE) or (self.versions[-1] if self.versions else None)

    @property
    def shift(self) -> Shift:
        """The share and the last change. Raises `ConfigurationError`."""
        return parse_shift(self.shifts[-1].text) if self.shifts else Shift()

    def version(self, number: int) -> Stored | None:
        return next((one for one in self.versions if one.version == number), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who changes something, and why."""

    by: str
    why: str


def standing(store: SsmPolicyStore) -> Standing:
    """Read everything that a change is judged by. Raises `StoreError`."""
    return Standing(versions=store.versions(store.policy), shifts=store.versions(store.rollout))


def named(stored: Stored | None) -> str:
    """A version as a person reads it; a document that is no policy is told apart."""
    if stored is None:
        return "none"
    try:
        return f"{parse(stored.text).label} (version {stored.version})"
    except ConfigurationError:
        return f"invalid (version {stored.version})"


UNWEIGHED: Final = "no evidence"
"""The word of `Verdict` where no decision at all is on record."""


class NotProvenError(TierwiseError):
    """The evidence says that a change is worse, or says too little; an operator may force it."""


def check_proof(proof: Verdict, *, force: bool) -> None:
    """Raises `NotProvenError` for a change that the evidence does not speak for, unless it is forced. Where there is no
    record of any decision there is nothing to ask: whoever promotes from another machine than the gateways' must not
    learn to force."""
    if proof.word not in ("better", UNWEIGHED) and not force:
        raise NotProvenError(
            f"{proof.word}: {proof.why}; --force promotes all the same, and is recorded with the reason"
        )


class PolicyChanges:
    """One change against what was `seen`. Raises `StaleStateError` when somebody else changed something meanwhile;
    what is in force is then theirs, and nothing of this change was put in force after noticing."""

    def __init__(
        self, store: SsmPolicyStore, seen: Standing, author: Author, now: Callable[[], datetime] | None = None
    ) -> None:
        self._store, self._seen, self._author = store, seen, author
        self._now = now or (lambda: datetime.now(UTC))
        self._newest = seen.versions[-1].version if seen.versions else 0
        self._newest_shift = seen.shifts[-1].version if seen.shifts else 0

    def push(self, policy: Policy, text: str, share: float, *, ramp: bool = False) -> Change:
        """A new version as canary for `share` of the sessions, with `ramp` no more of them than the evidence so far allows;
        where it is the canary already, only its share changes.
        The first version of all is stable at once: there is nothing to compare it with."""
        before = self._seen.in_force
        self._check_new(policy, before)
        self._check_unchanged()
        if before is None:
            version = self._put(text)
            self._store.label(version, STABLE)
            return self._record("push", Shift(), "none", f"{policy.label} (version {version})")
        canary = self._seen.labelled(CANARY)
        if canary is not None and _sha256(canary) == policy.sha256:
            after = f"{named(canary)} for {share:.0%}"
            return self._record("push", self._shift(share, ramp), named(before), after)
        if self._seen.shift.share > 0:
            self._put_shift(self._shift(0.0))
        if self._seen.labelled(STABLE) is None:
            self._store.label(before.version, STABLE)
        self._make_room()
        version = self._put(text)
        self._store.label(version, CANARY)
        after = f"{policy.label} (version {version}) for {share:.0%}"
        return self._record("push", self._shift(share, ramp), named(before), after)

    def promote(self, proof: Verdict, *, force: bool = False) -> Change:
        """The canary becomes stable, for everybody. Only with the `proof` that it is better, by `force`, or where no
        record of any decision is at hand; the latter two are then part of the recorded reason. Raises `NotProvenError`."""
        canary, before = self._seen.labelled(CANARY), self._seen.in_force
        if canary is None or before is None:
            raise NotFoundError(f"no version of {self._store.policy} has the label {CANARY}: push one first")
        if proof.word != "better":
            check_proof(proof, force=force)
            how = f"forced ({proof.word})" if force else "without evidence"
            why = f"{how}: {self._author.why}"[:MAX_WORDS]
            self._author = replace(self._author, why=why)
        after = f"{parse(canary.text).label} (version {canary.version})"
        self._check_unchanged()
        self._make_room()
        self._store.label(self._version_of(canary), STABLE)
        left = (self._seen.labelled(STABLE) or before).version
        # An attempt that was cut short has moved the label already: then nothing is left behind now.
        previous = self._seen.shift.previous if before.version == canary.version else left
        change = self._record("promote", Shift(previous=previous), named(before), after)
        self._store.unlabel(self._version_of(canary), CANARY)
        return change

    def rollback(self, to: int | None = None) -> Change:
        """End the canary; where none runs, back to the version that was stable before, or to version `to`."""
        canary, before = self._seen.labelled(CANARY), self._seen.labelled(STABLE)
        if canary is not None:
            if to is not None:
                raise ConfigurationError("a canary runs: roll it back first, then go to another version")
            self._check_unchanged()
            change = self._record("rollback", self._shift(0.0), named(canary), named(before))
            self._store.unlabel(canary.version, CANARY)
            return change
        target = self._target(to)
        if before is not None and target.version == before.version:
            raise ConfigurationError(f"version {target.version} is the stable one already")
        after = f"{parse(target.text).label} (version {target.version})"
        self._check_unchanged()
        old = self._newest - target.version >= ROOM
        self._store.label(self._put(target.text) if old else target.version, STABLE)
        return self._record("rollback", Shift(), named(before), after)

    def _target(self, to: int | None) -> Stored:
        wanted = to if to is not None else self._seen.shift.previous
        if wanted is None:
            raise NotFoundError("no earlier stable version is recorded: name one with --to")
        found = self._seen.version(wanted)
        if found is None:
            raise NotFoundError(f"version {wanted} is not kept any more: push that policy again")
        return found

    def _check_new(self, policy: Policy, before: Stored | None) -> None:
        if before is None:
            return
        try:
            current = parse(before.text)
        except ConfigurationError:
            return
        if current.sha256 == policy.sha256:
            raise ConfigurationError(f"{policy.label} is in force already: nothing would change")
        if current.label == policy.label:
            raise ConfigurationError(
                f"another policy is in force as {policy.label}: give this one a new version, or nobody can tell them apart"
            )

    def _check_unchanged(self) -> None:
        now = standing(self._store)
        if _marks(now) != _marks(self._seen):
            raise StaleStateError(
                "somebody else changed the policy in the meantime, and nothing was changed now: "
                "look with `tierwise policy show`, then try again"
            )

    def _make_room(self) -> None:
        """Write labelled versions again that are about to fall off the end, and one that already blocks every write."""
        for label in (STABLE, CANARY):
            stored = self._seen.labelled(label)
            if stored is None or self._newest + 1 - stored.version < ROOM:
                continue
            if len(self._seen.versions) >= KEPT and stored.version == self._seen.versions[0].version:
                # Without the label the write goes through. Whoever runs keeps what is in force for that moment.
                self._store.unlabel(stored.version, label)
            moved = self._put(stored.text)
            self._store.label(moved, label)
            versions = (*self._seen.versions, replace(stored, version=moved, labels=(label,)))
            self._seen = Standing(versions=_without(versions, stored, label), shifts=self._seen.shifts)

    def _version_of(self, stored: Stored) -> int:
        """Where `stored` is now, after room was made."""
        found = self._seen.labelled(CANARY)
        return found.version if found is not None else stored.version

    def _put(self, text: str) -> int:
        version = self._store.put_document(text)
        self._newest += 1
        if version != self._newest:
            raise StaleStateError(
                f"somebody else wrote a version at the same moment: ours is version {version} and not in force; "
                "look with `tierwise policy show`, then try again"
            )
        return version

    def _shift(self, share: float, ramp: bool = False) -> Shift:
        return replace(self._seen.shift, share=share, change=None, ramp=ramp)

    def _record(self, action: str, shift: Shift, before: str, after: str) -> Change:
        change = Change(
            action=action,
            at=self._now().isoformat(timespec="seconds"),
            by=self._author.by[:MAX_WORDS],
            why=self._author.why,
            before=before,
            after=after,
        )
        self._put_shift(replace(shift, change=change))
        return change

    def _put_shift(self, shift: Shift) -> None:
        version = self._store.put_shift(shift.as_text())
        self._newest_shift += 1
        if version != self._newest_shift:
            raise StaleStateError(
                "somebody else changed the policy at the same moment; their record and this one are both kept: "
                "look with `tierwise policy show` what is in force now"
            )


def _marks(now: Standing) -> tuple[object, ...]:
    labels = [
        (one.version, label) for one in now.versions for label in one.labels if label in (STABLE, CANARY)
    ]
    newest = now.versions[-1].version if now.versions else 0
    return newest, sorted(labels), now.shifts[-1].version if now.shifts else 0


def _without(versions: tuple[Stored, ...], old: Stored, label: str) -> tuple[Stored, ...]:
    return tuple(
        replace(one, labels=tuple(word for word in one.labels if word != label))
        if one.version == old.version
        else one
        for one in versions
    )


def _sha256(stored: Stored) -> str | None:
    try:
        return parse(stored.text).sha256
    except ConfigurationError:
        return None
