"""The local AWS is there and keeps what is written, so that a failure elsewhere is not the server's."""

from __future__ import annotations

from tests.localmoto import Clients, unique


def test_what_is_written_is_read_back(aws: Clients) -> None:
    bucket = unique("there")
    s3 = aws("s3")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    s3.put_object(Bucket=bucket, Key="a/b", Body=b"\x00\xff")
    assert s3.get_object(Bucket=bucket, Key="a/b")["Body"].read() == b"\x00\xff"
