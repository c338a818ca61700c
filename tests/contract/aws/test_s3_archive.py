"""Archived bytes come back as they were put, are written once, and are never taken for others."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from router_core.adapters.aws.s3_archive import S3Archive
from router_core.errors import StoreError
from tests.localmoto import Clients, bucket


@pytest.fixture
def place(aws: Clients) -> tuple[Any, str]:
    return aws("s3"), bucket(aws("s3"), "archive")


def test_bytes_come_back_under_the_hash_of_their_content(place: tuple[Any, str]) -> None:
    archive = S3Archive(*place)
    for content in (b"", b"\x00\xff\n", b"x" * 3_000_000):
        key = archive.put(content)
        assert key.startswith("sha256/")
        assert archive.get(key) == content


def test_the_same_bytes_are_written_once_and_by_many_at_once(place: tuple[Any, str]) -> None:
    client, name = place
    archive = S3Archive(client, name)
    first = archive.put(b"same")
    written = client.head_object(Bucket=name, Key=first)["LastModified"]
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(archive.put, [b"same"] * 8 + [b"other"] * 8))
    assert len(keys) == 2
    assert client.head_object(Bucket=name, Key=first)["LastModified"] == written


def test_what_is_there_is_never_written_over_and_never_taken_for_what_was_asked(
    place: tuple[Any, str],
) -> None:
    client, name = place
    archive = S3Archive(client, name)
    key = archive.put(b"true")
    client.put_object(Bucket=name, Key=key, Body=b"false")
    assert archive.put(b"true") == key
    with pytest.raises(StoreError, match="other bytes"):
        archive.get(key)


def test_sizes_are_bounded_on_the_way_in_and_out(place: tuple[Any, str]) -> None:
    key = S3Archive(*place).put(b"x" * 101)
    small = S3Archive(*place, max_bytes=100)
    with pytest.raises(StoreError, match="100 bytes at most"):
        small.put(b"x" * 101)
    with pytest.raises(StoreError, match="other bytes"):
        small.get(key)


@pytest.mark.parametrize(
    "key", ["", "a", "sha256/../secret", "sha256/ab/" + "g" * 64, "other/ab/" + "a" * 64]
)
def test_only_keys_of_its_own_are_read(place: tuple[Any, str], key: str) -> None:
    with pytest.raises(StoreError, match="no such keys"):
        S3Archive(*place).get(key)


def test_what_is_missing_is_a_store_error(place: tuple[Any, str]) -> None:
    with pytest.raises(StoreError, match="does not hold"):
        S3Archive(*place).get("sha256/ab/" + "ab" * 32)
    with pytest.raises(StoreError, match="does not exist"):
        S3Archive(place[0], "absent-bucket-7d1").put(b"x")


class Conflicting:
    """A bucket in which another writer of the same key is in the middle of it for the first calls."""

    def __init__(self, real: Any, conflicts: int) -> None:
        self._real, self._left = real, conflicts

    def put_object(self, **more: Any) -> Any:
        if self._left:
            self._left -= 1
            raise ClientError({"Error": {"Code": "ConditionalRequestConflict"}}, "PutObject")
        return self._real.put_object(**more)


def test_another_writer_in_the_middle_of_the_same_object_is_waited_out(place: tuple[Any, str]) -> None:
    client, name = place
    busy: Any = Conflicting(client, 2)
    assert S3Archive(client, name).get(S3Archive(busy, name).put(b"x")) == b"x"
    endless: Any = Conflicting(client, 99)
    with pytest.raises(StoreError, match="do not end"):
        S3Archive(endless, name).put(b"y")
