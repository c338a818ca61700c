"""Models in S3: what is there, a link that lets a device fetch one, and a download that proves what it got.

Decides that a file appears under its name only whole and with the checksum it should have; until then it lies beside it
under another name, and is taken away when anything fails. All calls block: off the event loop.
"""

from __future__ import annotations

import base64
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from router_core.adapters.aws.client import store_errors
from router_core.adapters.aws.s3_archive import FAULTS
from router_core.errors import StaleStateError, StoreError
from router_core.record import dataclass

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

RANGE_BYTES: Final = 8 * 1024 * 1024
MAX_BYTES: Final = 64 * 1024**3
MAX_LISTED: Final = 10_000
LONGEST_LINK_S: Final = 7 * 86_400
"""SigV4's own bound; a link ends earlier when the credentials that signed it do."""
CHECKSUM_METADATA: Final = "sha256"
"""Metadata that names the checksum of an object uploaded in parts, of which S3 itself keeps no whole one."""
_TRIES: Final = 3
_CHUNK: Final = 256 * 1024
_WHAT: Final = "the models bucket"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredModel:
    """An object of the bucket."""

    key: str
    size_bytes: int
    modified: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelHead:
    """What S3 knows of an object without reading it. `sha256` is hexadecimal, None where nobody recorded it."""

    size_bytes: int
    etag: str
    sha256: str | None


class S3Models:
    """Objects of one bucket."""

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client, self._bucket = client, bucket

    def list(self, prefix: str = "") -> Iterator[StoredModel]:
        """Objects below the prefix in the order of their keys, `MAX_LISTED` at most. Raises `StoreError`."""
        query: dict[str, Any] = {"Bucket": self._bucket, "Prefix": prefix}
        listed = 0
        while listed < MAX_LISTED:
            with store_errors(_WHAT, FAULTS):
                page = self._client.list_objects_v2(**query)
            for item in page.get("Contents", ()):
                yield StoredModel(key=item["Key"], size_bytes=item["Size"], modified=item["LastModified"])
            listed += page["KeyCount"]
            if not page["IsTruncated"]:
                return
            query["ContinuationToken"] = page["NextContinuationToken"]

    def link(self, key: str, *, expires_s: int) -> str:
        """A URL that lets anyone who has it read this one object until it expires; made without asking S3. It is a
        secret for as long as it lives."""
        if not 1 <= expires_s <= LONGEST_LINK_S:
            raise StoreError(f"a link may live 1 to {LONGEST_LINK_S} seconds")
        with store_errors(_WHAT, FAULTS):
            return self._client.generate_presigned_url(
                "get_object", Params={"Bucket": self._bucket, "Key": key}, ExpiresIn=expires_s
            )

    def head(self, key: str) -> ModelHead:
        """Size and checksum. Raises `StoreError` where there is no such object."""
        with store_errors(_WHAT, FAULTS):
            answer: Any = self._client.head_object(Bucket=self._bucket, Key=key, ChecksumMode="ENABLED")
        return ModelHead(
            size_bytes=answer["ContentLength"], etag=answer["ETag"], sha256=_whole_checksum(answer)
        )

    def download(self, key: str, to: Path, *, expected_sha256: str | None = None) -> str:
        """Fetch the object to the file `to`, replacing it at once when all is proven, and give its SHA-256.

        The checksum is `expected_sha256`, or else the one S3 holds; without any, nothing is fetched. An object that
        changes meanwhile is an error. Raises `StoreError`, and OSError for the file.
        """
        head = self.head(key)
        wanted = (expected_sha256 or head.sha256 or "").lower()
        if not re.fullmatch(r"[0-9a-f]{64}", wanted):
            raise StoreError("the models bucket knows no checksum of this object, and none was given")
        if head.size_bytes > MAX_BYTES:
            raise StoreError(f"a model may have {MAX_BYTES} bytes at most")
        to.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{to.name}.", dir=to.parent)
        part = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                self._fill(file, key, head, wanted)
            part.replace(to)
        finally:
            part.unlink(missing_ok=True)
        return wanted

    def _fill(self, file: IO[bytes], key: str, head: ModelHead, wanted: str) -> None:
        """Write and sync the whole object. Raises `StoreError` when it has not the checksum."""
        digest = sha256()
        for begin in range(0, head.size_bytes, RANGE_BYTES):
            last = min(begin + RANGE_BYTES, head.size_bytes) - 1
            for chunk in self._range(key, head.etag, begin, last):
                digest.update(chunk)
                file.write(chunk)
        if digest.hexdigest() != wanted:
            raise StoreError("the models bucket gave other bytes than the checksum says")
        file.flush()
        os.fsync(file.fileno())

    def _range(self, key: str, etag: str, begin: int, last: int) -> Iterator[bytes]:
        """The bytes from `begin` to `last`; after a broken answer it goes on where that ended."""
        for left in reversed(range(_TRIES)):
            try:
                for chunk in self._read(key, etag, begin, last):
                    begin += len(chunk)
                    yield chunk
            except StaleStateError:
                raise
            except StoreError:
                if not left:
                    raise
            if begin > last:
                return
        raise StoreError("the models bucket broke off its answer again and again")

    def _read(self, key: str, etag: str, begin: int, last: int) -> Iterator[bytes]:
        with store_errors(_WHAT, FAULTS):
            answer = self._client.get_object(
                Bucket=self._bucket, Key=key, Range=f"bytes={begin}-{last}", IfMatch=etag
            )
            with closing(answer["Body"]) as body:
                yield from body.iter_chunks(_CHUNK)


def _whole_checksum(answer: dict[str, Any]) -> str | None:
    """S3's own checksum where it is one of the whole object, else the one in the metadata."""
    stored = answer.get("ChecksumSHA256", "")
    if stored and answer.get("ChecksumType", "FULL_OBJECT") == "FULL_OBJECT" and "-" not in stored:
        return base64.b64decode(stored).hex()
    named = answer.get("Metadata", {}).get(CHECKSUM_METADATA)
    return named if isinstance(named, str) else None
