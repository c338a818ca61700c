"""Signed documents: a DSSE envelope with one ed25519 signature, so that a device obeys its operator and nobody else.

The signature covers the payload's type beside its bytes, so a signed model manifest can never pass for a policy.
Source: github.com/secure-systems-lab/dsse, protocol.md and envelope.md.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

from router_core.errors import ConfigurationError

BUNDLE_TYPE: Final = "application/vnd.tierwise.bundle.v1+json"
MANIFEST_TYPE: Final = "application/vnd.tierwise.manifest.v1+json"
MAX_ENVELOPE_BYTES: Final = 4 * 1024 * 1024
KEY_BYTES: Final = 32
Sign = Callable[[str, bytes], bytes]
"""Gives the envelope of a payload, from its type and its bytes."""


class SignatureError(Exception):
    """Not signed by a key that this device trusts, changed since, or no envelope at all."""


def signer(secret: str) -> Sign:
    """Signs with a private key: 32 bytes in base64. Raises `ConfigurationError`."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.from_private_bytes(_key(secret, "the signing key"))
    key_id = key_id_of(private.public_key().public_bytes_raw())

    def sign(kind: str, payload: bytes) -> bytes:
        signature = private.sign(signed_bytes(kind, payload))
        envelope = {
            "payloadType": kind,
            "payload": base64.b64encode(payload).decode(),
            "signatures": [{"keyid": key_id, "sig": base64.b64encode(signature).decode()}],
        }
        return json.dumps(envelope, separators=(",", ":")).encode()

    return sign


def new_key() -> tuple[str, str]:
    """A fresh private key and its public key, both in base64."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.generate()
    return (
        base64.b64encode(private.private_bytes_raw()).decode(),
        base64.b64encode(private.public_key().public_bytes_raw()).decode(),
    )


def public_of(secret: str) -> str:
    """The public key that belongs to a private one, both in base64. Raises `ConfigurationError`."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.from_private_bytes(_key(secret, "the signing key"))
    return base64.b64encode(private.public_key().public_bytes_raw()).decode()


class Trust:
    """The public keys a device believes, 32 bytes in base64 each; several, so that a key can be replaced."""

    def __init__(self, keys: Sequence[str]) -> None:
        raw = [_key(text, "a trusted key") for text in keys]
        self._keys: Mapping[str, bytes] = {key_id_of(each): each for each in raw}

    def open(self, envelope: bytes, kind: str) -> bytes:
        """The payload, which is of type `kind` and signed by a trusted key. Raises `SignatureError`."""
        if len(envelope) > MAX_ENVELOPE_BYTES:
            raise SignatureError("the envelope is too large")
        payload, signatures = _parts(envelope, kind)
        message = signed_bytes(kind, payload)
        if not any(self._holds(key_id, signature, message) for key_id, signature in signatures[:8]):
            raise SignatureError("no signature of a trusted key fits")
        return payload

    def _holds(self, key_id: str, signature: bytes, message: bytes) -> bool:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        raw = self._keys.get(key_id)
        if raw is None:
            return False
        try:
            Ed25519PublicKey.from_public_bytes(raw).verify(signature, message)
        except InvalidSignature:
            return False
        return True


def key_id_of(public: bytes) -> str:
    """The name of a public key: the beginning of its SHA-256, in hexadecimal."""
    return sha256(public).hexdigest()[:16]


def signed_bytes(kind: str, payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding: what the signature is made over."""
    name = kind.encode()
    return b"DSSEv1 %d %b %d %b" % (len(name), name, len(payload), payload)


def _parts(envelope: bytes, kind: str) -> tuple[bytes, list[tuple[str, bytes]]]:
    try:
        document: dict[str, Any] = json.loads(envelope)
        if document["payloadType"] != kind:
            raise SignatureError("the envelope holds another kind of document")
        signatures = [
            (str(each["keyid"]), base64.b64decode(each["sig"], validate=True))
            for each in document["signatures"]
        ]
        return base64.b64decode(document["payload"], validate=True), signatures
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise SignatureError("this is no signed envelope") from error


def _key(text: str, what: str) -> bytes:
    try:
        raw = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != KEY_BYTES:
        raise ConfigurationError(f"{what} must be {KEY_BYTES} bytes in base64")
    return raw
