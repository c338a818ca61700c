"""S3: models for devices and nodes, the event lake, and archives; and the bucket that says who read them.

Closed to the public, TLS only, encrypted with the customer key, versioned, logged. Old versions and old data leave by
lifecycle rules; what is kept for years moves to colder storage first.
"""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.constructs.closed_bucket import closed_bucket
from infra.constructs.retention import removal
from infra.environments import Environment
from infra.naming import bucket_name
from infra.validation import acknowledge
from router_core.deployment import ARCHIVE_BUCKET, LAKE_BUCKET, MODELS_BUCKET

PAYLOADS = "payloads/"
"""Prefix in the archive of what is too large to travel between stages."""

ACCESS_LOGS = "access-logs"
_OLD_VERSIONS = Duration.days(30)
_LOST_PARTS = Duration.days(7)
_COLD_AFTER_DAYS = 60


class Buckets(Construct):
    """`models`, `lake`, `archive`, and `access_logs` of all three."""

    def __init__(self, scope: Construct, id: str, environment: Environment, key: kms.IKey) -> None:
        super().__init__(scope, id)
        self._environment = environment
        self._key = key
        self.access_logs = self._access_logs()
        retention = environment.retention
        self.models = self._bucket("Models", MODELS_BUCKET, None)
        self.lake = self._bucket("Lake", LAKE_BUCKET, retention.lake_days)
        self.archive = self._bucket("Archive", ARCHIVE_BUCKET, retention.archive_days, _payloads())

    def _access_logs(self) -> s3.Bucket:
        bucket = closed_bucket(
            self,
            "AccessLogs",
            bucket_name=bucket_name(self._environment, ACCESS_LOGS),
            key=None,  # the log service writes here, and it cannot use a customer key
            lifecycle_rules=[
                s3.LifecycleRule(
                    expiration=Duration.days(self._environment.retention.archive_days),
                    noncurrent_version_expiration=_OLD_VERSIONS,
                )
            ],
            removal_policy=removal(self._environment),
        )
        acknowledge(bucket, "S1", "It holds the access logs; logging it into itself would never end.")
        return bucket

    def _bucket(self, id: str, what: str, days: int | None, *extra: s3.LifecycleRule) -> s3.Bucket:
        return closed_bucket(
            self,
            id,
            bucket_name=bucket_name(self._environment, what),
            key=self._key,
            server_access_logs_bucket=self.access_logs,
            server_access_logs_prefix=f"{what}/",
            lifecycle_rules=[_lifecycle(days), *extra],
            removal_policy=removal(self._environment),
        )


def _lifecycle(days: int | None) -> s3.LifecycleRule:
    """Models stay while they are current; the rest goes cold, then goes away."""
    colder = s3.Transition(
        storage_class=s3.StorageClass.GLACIER_INSTANT_RETRIEVAL,
        transition_after=Duration.days(_COLD_AFTER_DAYS),
    )
    return s3.LifecycleRule(
        expiration=None if days is None else Duration.days(days),
        transitions=[colder] if days is not None and days > _COLD_AFTER_DAYS else None,
        noncurrent_version_expiration=_OLD_VERSIONS,
        abort_incomplete_multipart_upload_after=_LOST_PARTS,
    )


def _payloads() -> s3.LifecycleRule:
    """What travelled beside a request is of no use once the request is answered."""
    return s3.LifecycleRule(prefix=PAYLOADS, expiration=Duration.days(7))
