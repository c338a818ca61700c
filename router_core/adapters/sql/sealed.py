"""Seals what callers wrote before it reaches a disk: AES-256-GCM, bound to the row and the column it belongs to.

A sealed text that is moved to another row, another tenant or another column does not open. Keys can be changed: the
first seals, all open, and each text names its key by a fingerprint.
"""

from __future__ import annotations

import os
from hashlib import blake2s
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from router_core.errors import ConfigurationError, StoreError

KEY_BYTES: Final = 32
_VERSION: Final = b"\x01"
_PRINT: Final = 4
_NONCE: Final = 12


class Sealer:
    """Seals with the first key, opens with any of them."""

    def __init__(self, keys: tuple[bytes, ...]) -> None:
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise ConfigurationError(f"a key that seals jobs has {KEY_BYTES} bytes")
        self._ciphers = {_print(key): AESGCM(key) for key in keys}
        self._first = _print(keys[0])

    def seal(self, text: bytes, about: str) -> bytes:
        """The text, unreadable without the key; opens only with the same `about`."""
        nonce = os.urandom(_NONCE)
        head = _VERSION + self._first
        return head + nonce + self._ciphers[self._first].encrypt(nonce, text, head + about.encode())

    def open(self, sealed: bytes, about: str) -> bytes:
        """What was sealed. Raises `StoreError`."""
        head, rest = sealed[: 1 + _PRINT], sealed[1 + _PRINT :]
        cipher = self._ciphers.get(head[1:])
        if cipher is None or head[:1] != _VERSION:
            raise StoreError("a stored job was sealed with a key that is not here")
        try:
            return cipher.decrypt(rest[:_NONCE], rest[_NONCE:], head + about.encode())
        except InvalidTag:
            raise StoreError("a stored job was changed, or belongs elsewhere") from None


def derived_key(secret: str) -> bytes:
    """The key behind a configured secret, which is long and random, so that stretching would add nothing."""
    return blake2s(secret.encode(), person=b"tw-jobs").digest()


def envelope_key(key: bytes) -> bytes:
    """The key that seals what only messages carry: with one that seals rows, nothing in an envelope opens."""
    return blake2s(key, person=b"tw-envel").digest()


def _print(key: bytes) -> bytes:
    return blake2s(key, digest_size=_PRINT, person=b"tw-print").digest()
