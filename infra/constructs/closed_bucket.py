"""A bucket as every one of ours is: closed to the public, TLS only, owned by its account, versioned.

One place for what protects all of them; what differs (the key, who logs, how long) is the caller's.
"""

from __future__ import annotations

from typing import Any

from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct


def closed_bucket(scope: Construct, id: str, *, key: kms.IKey | None, **own: Any) -> s3.Bucket:
    """`key` encrypts it; None leaves that to S3, for writers that cannot use a customer key. `own` are further
    arguments of `s3.Bucket`."""
    encryption: dict[str, Any] = {"encryption": s3.BucketEncryption.S3_MANAGED}
    if key is not None:
        encryption = {
            "encryption": s3.BucketEncryption.KMS,
            "encryption_key": key,
            "bucket_key_enabled": True,
        }
    return s3.Bucket(
        scope,
        id,
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        enforce_ssl=True,
        minimum_tls_version=1.2,
        versioned=True,
        **encryption,
        **own,
    )
