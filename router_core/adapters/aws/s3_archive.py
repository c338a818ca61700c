"""Blobs in S3 under the hash of their content: event archives, and payloads too large to travel, by reference.

Decides that what is there is never written over: the key is the content, so a write that finds its key taken has nothing
left to do, and a read that does not give back the hash it asked for gives nothing. All calls block: off the event loop.
"""

from __future__ import annotations

import base64
import re
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from router_core.adapters.aws.client import COMMON_FAULTS, Faults, error_code, store_errors
from router_core.errors import StaleStateError, StoreError

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

OPERATIONS: Final = ("GetObject", "HeadObject", "ListObjectsV2", "PutObject")
FAULTS: Final[Faults] = {
    **COMMON_FAULTS,
    "PreconditionFailed": (StaleStateError, "holds another version than expected"),
    "ConditionalRequestConflict": (StaleStateError, "is being written by somebody else"),
    "NoSuchKey": (StoreError, "does not hold this object"),
    "404": (StoreError, "does not hold this object"),
    "NoSuchBucket": (StoreError, "does not exist"),
    "InvalidObjectState": (StoreError, "holds this object in cold storage"),
    "InvalidRange": (StoreError, "holds less than was asked for"),
    "416": (StoreError, "holds less than was asked for"),
    "412": (StaleStateError, "holds another version than expected"),
    "403": (StoreError, "may not be used with these credentials"),
    "InvalidRequest": (StoreError, "does not accept such a request"),
    "InvalidWriteOffset": (StoreError, "does not accept such a request"),
    "TooManyParts": (StoreError, "does not accept such a request"),
    "EncryptionTypeMismatch": (StoreError, "does not accept such an encryption"),
    "EntityTooLarge": (StoreError, "does not take so large an object"),
    "BadDigest": (StoreError, "got other bytes than were sent"),
    "XAmzContentChecksumMismatch": (StoreError, "got other bytes than were sent"),
    "SlowDown": (StoreError, "is throttled"),
    "InternalError": (StoreError, "failed by itself"),
    "RequestTimeout": (StoreError, "did not get the body in time"),
    "IncompleteReadError": (StoreError, "broke off its answer"),
    "ResponseStreamingError": (StoreError, "broke off its answer"),
}
"""S3 lists few of its errors in its model; those from its own error page that our operations meet stand here, too."""

MAX_BYTES: Final = 64 * 1024 * 1024
_TRIES: Final = 3
_WHAT: Final = "the archive"
_KEY: Final = re.compile(r"[0-9a-f]{2}/[0-9a-f]{64}")


class S3Archive:
    """Content-addressed blobs in one bucket, below `prefix`."""

    def __init__(
        self, client: S3Client, bucket: str, *, prefix: str = "sha256/", max_bytes: int = MAX_BYTES
    ) -> None:
        self._client, self._bucket, self._prefix, self._max_bytes = client, bucket, prefix, max_bytes

    def put(self, content: bytes) -> str:
        """Keep the bytes and give their key; bytes that are there already are not written again."""
        if len(content) > self._max_bytes:
            raise StoreError(f"an archived object may have {self._max_bytes} bytes at most")
        digest = sha256(content)
        key = f"{self._prefix}{digest.hexdigest()[:2]}/{digest.hexdigest()}"
        for _ in range(_TRIES):
            if self._written(key, content, base64.b64encode(digest.digest()).decode()):
                return key
        raise StoreError("the archive: others write the same object and do not end")

    def get(self, key: str) -> bytes:
        """The bytes behind a key that `put` gave. Raises `StoreError` where they are missing, altered or too many."""
        if not key.startswith(self._prefix) or not _KEY.fullmatch(key.removeprefix(self._prefix)):
            raise StoreError("the archive gives out no such keys")
        with store_errors(_WHAT, FAULTS):
            answer = self._client.get_object(Bucket=self._bucket, Key=key)
            with answer["Body"] as body:
                content = body.read(self._max_bytes + 1)
        if len(content) > self._max_bytes or sha256(content).hexdigest() != key.rpartition("/")[2]:
            raise StoreError("the archive holds other bytes than were put there")
        return content

    def _written(self, key: str, content: bytes, checksum: str) -> bool:
        """Whether the object is there now; False when another writer is in the middle of it."""
        try:
            self._client.put_object(
                Bucket=self._bucket, Key=key, Body=content, IfNoneMatch="*", ChecksumSHA256=checksum
            )
        except Exception as error:
            code = error_code(error)
            if code == "PreconditionFailed":
                return True
            if code == "ConditionalRequestConflict":
                return False
            with store_errors(_WHAT, FAULTS):
                raise
        return True
