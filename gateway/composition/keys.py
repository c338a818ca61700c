"""Bearer keys as digests, and rotated ones taken over while the gateway runs.

Only keys that come from AWS Secrets Manager can change under a running gateway. They are fetched again off the request
path. The value before a rotation opens the gateway until the next rotation, because callers do not all learn of it at once.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from gateway.composition.plan import PlannedKey
from gateway.http.auth import KeyRecord, KeyRing, digest_of
from gateway.settings.secrets import MANAGED, resolve
from router_core.adapters.aws.secrets import SecretsManager
from router_core.errors import ConfigurationError, StoreError

ROTATION_S: Final = 60.0
"""How often keys are fetched again: a new key opens the gateway at most so much later."""
_log: Final = logging.getLogger("tierwise.gateway")


def records(keys: Sequence[PlannedKey]) -> list[KeyRecord]:
    """What the gateway keeps of its keys."""
    return [
        KeyRecord(
            id=key.settings.id,
            tenant=key.settings.tenant,
            digest=digest_of(key.secret.reveal()),
            role=key.settings.role,
            requests_per_min=key.settings.requests_per_min,
            tokens_per_min=key.settings.tokens_per_min,
            tiers=key.settings.tiers,
        )
        for key in keys
    ]


def rotates(key: PlannedKey) -> bool:
    """Whether the key can change while the gateway runs."""
    return key.settings.secret is not None and key.settings.secret.scheme == MANAGED


class KeyRotation:
    """Puts rotated keys into the ring. Used by one thread at a time; blocks."""

    def __init__(
        self, keys: Sequence[PlannedKey], ring: KeyRing, vault: SecretsManager | None = None
    ) -> None:
        self._keys, self._ring = keys, ring
        self._vault = vault or SecretsManager()
        self._now = records(keys)

    @property
    def needed(self) -> bool:
        """Whether there is anything to look at."""
        return any(rotates(key) for key in self._keys)

    def refresh(self) -> None:
        """Look again. While Secrets Manager can't be asked, the keys of the last look stay."""
        try:
            self._vault.refresh()
            fresh = records([self._current(key) for key in self._keys])
            before = records([old for key in self._keys if (old := self._previous(key)) is not None])
        except (StoreError, ConfigurationError) as error:
            _log.warning("keys: %s; those of the last look stay", error)
            return
        if len({record.digest for record in fresh}) < len(fresh):
            _log.warning("keys: two have the same secret after a rotation; those of the last look stay")
            return
        # The old ones first: where an old value of one key is another's new one, the new owner has it.
        self._ring.replace([*before, *self._now, *fresh])
        self._now = fresh

    def _current(self, key: PlannedKey) -> PlannedKey:
        reference = key.settings.secret
        if reference is None or not rotates(key):
            return key
        secret = resolve(reference, {}, f"keys.{key.settings.id}.secret", self._vault.value)
        return replace(key, secret=secret)

    def _previous(self, key: PlannedKey) -> PlannedKey | None:
        """The key as it was before the last rotation; None without one, or where that was no key."""
        reference = key.settings.secret
        if reference is None or not rotates(key):
            return None
        told = self._vault.previous(reference.name)
        if told is None:
            return None
        try:
            secret = resolve(reference, {}, f"keys.{key.settings.id}.secret", lambda _: told)
        except ConfigurationError:
            return None
        return replace(key, secret=secret)
