"""Where evidence is kept: a key and a bucket of their own, so that who runs the product cannot change what was seen.

CloudTrail and Config write; nobody deletes before the time is over where the environment keeps its data.
"""

from __future__ import annotations

from aws_cdk import Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.constructs.closed_bucket import closed_bucket
from infra.constructs.retention import removal
from infra.environments import Environment
from infra.naming import bucket_name
from infra.validation import acknowledge
from router_core.deployment import resource_name

WRITERS = ("cloudtrail", "config")


class AuditStore(Construct):
    """`key` and `bucket`."""

    def __init__(self, scope: Construct, id: str, *, environment: Environment) -> None:
        super().__init__(scope, id)
        self.key = self._key(environment)
        self.bucket = closed_bucket(
            self,
            "Bucket",
            bucket_name=bucket_name(environment, "audit"),
            key=self.key,
            lifecycle_rules=[
                s3.LifecycleRule(
                    expiration=Duration.days(environment.upper.audit.trail_days),
                    noncurrent_version_expiration=Duration.days(30),
                )
            ],
            removal_policy=removal(environment),
        )
        acknowledge(self.bucket, "S1", "Who reads it is recorded by the trail itself, as data events.")
        for service in WRITERS:
            self._admit(iam.ServicePrincipal(f"{service}.amazonaws.com"))

    def _key(self, environment: Environment) -> kms.Key:
        key = kms.Key(
            self,
            "Key",
            alias=f"alias/{resource_name(environment.name, 'audit')}",
            description=f"Evidence of tierwise {environment.name}",
            enable_key_rotation=True,
            removal_policy=removal(environment),
        )
        writers = [iam.ServicePrincipal(f"{name}.amazonaws.com") for name in WRITERS]
        log_service = iam.ServicePrincipal(f"logs.{environment.region}.amazonaws.com")
        group = f"arn:aws:logs:{environment.region}:{environment.account}:log-group:/tierwise-{environment.name}-trail"
        for principals, condition in (
            (writers, {"StringEquals": {"aws:SourceAccount": environment.account}}),
            ([log_service], {"ArnEquals": {"kms:EncryptionContext:aws:logs:arn": group}}),
        ):
            key.add_to_resource_policy(
                iam.PolicyStatement(
                    principals=list(principals),
                    actions=["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey*"],
                    resources=["*"],  # in a key's own policy this is the key
                    conditions=condition,
                )
            )
        return key

    def _admit(self, service: iam.ServicePrincipal) -> None:
        own = {"aws:SourceAccount": Stack.of(self).account}
        self.bucket.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[service],
                actions=["s3:GetBucketAcl", "s3:ListBucket"],
                resources=[self.bucket.bucket_arn],
                conditions={"StringEquals": own},
            )
        )
        self.bucket.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[service],
                actions=["s3:PutObject"],
                resources=[self.bucket.arn_for_objects(f"AWSLogs/{Stack.of(self).account}/*")],
                conditions={"StringEquals": {**own, "s3:x-amz-acl": "bucket-owner-full-control"}},
            )
        )
