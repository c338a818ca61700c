"""A model file appears whole, proven and at once, or not at all."""

from __future__ import annotations

import base64
import json
import os
import random
import subprocess
import sys
import urllib.error
import urllib.request
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ResponseStreamingError

from router_core.adapters.aws.s3_models import RANGE_BYTES, S3Models
from router_core.errors import StaleStateError, StoreError
from tests.localmoto import Clients, bucket, environment

BODY = random.Random(7).randbytes(2 * RANGE_BYTES + 12_345)
SHA256 = sha256(BODY).hexdigest()


@pytest.fixture(scope="module")
def place(aws: Clients) -> tuple[Any, str]:
    s3 = aws("s3")
    name = bucket(s3, "models")
    checksum = base64.b64encode(sha256(BODY).digest()).decode()
    s3.put_object(
        Bucket=name, Key="llm/weights.bin", Body=BODY, ChecksumAlgorithm="SHA256", ChecksumSHA256=checksum
    )
    s3.put_object(
        Bucket=name, Key="llm/named.bin", Body=b"named", Metadata={"sha256": sha256(b"named").hexdigest()}
    )
    s3.put_object(Bucket=name, Key="llm/bare.bin", Body=b"bare", ChecksumAlgorithm="CRC32")
    s3.put_object(Bucket=name, Key="llm/empty.bin", Body=b"")
    s3.put_object(Bucket=name, Key="other", Body=b"")
    return s3, name


def test_what_is_there_is_listed_below_a_prefix_over_pages(place: tuple[Any, str]) -> None:
    listed = list(S3Models(*place).list("llm/"))
    assert [(one.key, one.size_bytes) for one in listed] == [
        ("llm/bare.bin", 4), ("llm/empty.bin", 0), ("llm/named.bin", 5), ("llm/weights.bin", len(BODY)),
    ]  # fmt: skip

    class Paged:
        def list_objects_v2(self, **query: Any) -> Any:
            return place[0].list_objects_v2(**query, MaxKeys=2)

    paged: Any = Paged()
    assert list(S3Models(paged, place[1]).list("llm/")) == listed


def test_the_checksum_is_s3s_own_or_the_named_one(place: tuple[Any, str]) -> None:
    models = S3Models(*place)
    assert models.head("llm/weights.bin").sha256 == SHA256
    assert models.head("llm/named.bin").sha256 == sha256(b"named").hexdigest()
    assert models.head("llm/bare.bin").sha256 is None
    with pytest.raises(StoreError, match="does not hold"):
        models.head("absent")


def test_a_download_is_proven_and_replaces_the_old_file(place: tuple[Any, str], tmp_path: Path) -> None:
    target = tmp_path / "new" / "weights.bin"
    target.parent.mkdir()
    target.write_bytes(b"old")
    assert S3Models(*place).download("llm/weights.bin", target) == SHA256
    assert target.read_bytes() == BODY
    assert list(target.parent.iterdir()) == [target]


def test_an_empty_object_and_a_checksum_that_is_given(place: tuple[Any, str], tmp_path: Path) -> None:
    models = S3Models(*place)
    models.download("llm/empty.bin", tmp_path / "e", expected_sha256=sha256(b"").hexdigest())
    models.download("llm/bare.bin", tmp_path / "b", expected_sha256=sha256(b"bare").hexdigest().upper())
    assert ((tmp_path / "e").read_bytes(), (tmp_path / "b").read_bytes()) == (b"", b"bare")


@pytest.mark.parametrize(
    ("key", "expected", "message"),
    [
        ("llm/weights.bin", sha256(b"other").hexdigest(), "other bytes than the checksum"),
        ("llm/bare.bin", None, "knows no checksum"),
        ("llm/bare.bin", "no-checksum", "knows no checksum"),
        ("absent", SHA256, "does not hold"),
    ],
)
def test_what_is_not_proven_leaves_the_old_file_and_nothing_beside_it(
    place: tuple[Any, str], tmp_path: Path, key: str, expected: str | None, message: str
) -> None:
    target = tmp_path / "w"
    target.write_bytes(b"old")
    with pytest.raises(StoreError, match=message):
        S3Models(*place).download(key, target, expected_sha256=expected)
    assert list(tmp_path.iterdir()) == [target]
    assert target.read_bytes() == b"old"


class Flaky:
    """The real client, whose bodies break off after `good` bytes; `then` runs before each range."""

    def __init__(self, real: Any, *, breaks: int = 0, good: int = 0, then: Any = None) -> None:
        self._real, self._breaks, self._good, self._then = real, breaks, good, then

    def head_object(self, **query: Any) -> Any:
        return self._real.head_object(**query)

    def get_object(self, **query: Any) -> Any:
        if self._then is not None:
            self._then()
        answer = self._real.get_object(**query)
        if self._breaks:
            self._breaks -= 1
            answer["Body"] = Broken(answer["Body"], self._good)
        return answer


class Broken:
    def __init__(self, body: Any, good: int) -> None:
        self._body, self._good = body, good

    def iter_chunks(self, _: int) -> Any:
        yield self._body.read(self._good)
        raise ResponseStreamingError(error="cut")

    def close(self) -> None:
        self._body.close()


def test_a_broken_answer_is_gone_on_with_where_it_ended(place: tuple[Any, str], tmp_path: Path) -> None:
    flaky: Any = Flaky(place[0], breaks=2, good=1_000_003)
    assert S3Models(flaky, place[1]).download("llm/weights.bin", tmp_path / "w") == SHA256
    assert (tmp_path / "w").read_bytes() == BODY
    hopeless: Any = Flaky(place[0], breaks=99, good=10)
    with pytest.raises(StoreError, match="broke off"):
        S3Models(hopeless, place[1]).download("llm/weights.bin", tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_an_object_that_changes_meanwhile_is_an_error(place: tuple[Any, str], tmp_path: Path) -> None:
    s3, name = place
    s3.put_object(Bucket=name, Key="moving", Body=BODY)
    changed: Any = Flaky(s3, then=lambda: s3.put_object(Bucket=name, Key="moving", Body=BODY[::-1]))
    with pytest.raises(StaleStateError):
        S3Models(changed, name).download("moving", tmp_path / "w", expected_sha256=SHA256)
    assert list(tmp_path.iterdir()) == []


def test_a_link_reads_this_object_and_no_other(place: tuple[Any, str]) -> None:
    link = S3Models(*place).link("llm/named.bin", expires_s=60)
    with urllib.request.urlopen(link, timeout=10) as answer:  # noqa: S310 - an address of our own server
        assert answer.read() == b"named"
    assert "X-Amz-Expires=60" in link or "Expires=" in link
    for seconds in (0, 604_801):
        with pytest.raises(StoreError, match="may live"):
            S3Models(*place).link("llm/named.bin", expires_s=seconds)


def test_the_command_lists_the_bucket_and_pulls_from_it(
    place: tuple[Any, str], aws_endpoint: str, tmp_path: Path
) -> None:
    variables = {**os.environ, **environment(aws_endpoint), "TIERWISE_STORES__MODELS": place[1]}

    def tierwise(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "gateway", *arguments, "--json"]
        return subprocess.run(
            command, env=variables, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )

    listed = json.loads(tierwise("models", "list").stdout)["stored"]
    assert ("llm/weights.bin", len(BODY)) in [(one["key"], one["size_bytes"]) for one in listed]
    done = tierwise("models", "pull", "llm/weights.bin")
    assert json.loads(done.stdout) == {"key": "llm/weights.bin", "file": "weights.bin", "sha256": SHA256}
    assert (tmp_path / "weights.bin").read_bytes() == BODY
    wrong = tierwise("models", "pull", "llm/bare.bin", "--to", "x", "--sha256", SHA256)
    assert (wrong.returncode, (tmp_path / "x").exists()) == (1, False)
    assert "other bytes than the checksum" in wrong.stderr
