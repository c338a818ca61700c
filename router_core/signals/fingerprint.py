"""Stable names for content: cache keys, state hashes, and fair coin flips without randomness.

Parts are length-prefixed before hashing, so that ("ab", "c") and ("a", "bc") never share a name.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from hashlib import blake2b, sha256
from typing import Any, Final

_DIGEST_BYTES: Final = 16
_FRACTION_BITS: Final = 53


def fingerprint(parts: Iterable[bytes]) -> str:
    """32 hex digits naming this exact sequence of byte strings (BLAKE2b, 128 bits)."""
    digest = blake2b(digest_size=_DIGEST_BYTES)
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


def canonical_json(obj: Any) -> bytes:
    """One spelling per JSON value: keys sorted, no blanks, UTF-8.

    Raises ValueError for NaN and infinities, which have no JSON spelling, and for a value that contains
    itself; TypeError for what is not JSON. Lone surrogates are kept as escapes, so every `str` has a spelling.
    """
    spelling = json.dumps(obj, sort_keys=True, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    try:
        return spelling.encode("utf-8")
    except UnicodeEncodeError:
        return spelling.encode("utf-8", "backslashreplace")


def stable_fraction(key: str) -> float:
    """A number in [0, 1) that depends on `key` alone, uniform over keys; 53 bits, so exact as a float."""
    digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return _fraction(digest)


def shared_fraction(key: str) -> float:
    """The same by SHA-256, which every language has: for draws that clients in others repeat (docs/device-protocol.md)."""
    return _fraction(sha256(key.encode("utf-8", "surrogatepass"), usedforsecurity=False).digest()[:8])


def _fraction(digest: bytes) -> float:
    return (int.from_bytes(digest, "big") >> (64 - _FRACTION_BITS)) / (1 << _FRACTION_BITS)
