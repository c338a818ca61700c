"""CloudTrail: every call to AWS's control plane in all regions, and where the environment pays for it every read and
write of our tables and buckets. Files are signed, so that a change of the record shows.
"""

from __future__ import annotations

from aws_cdk import RemovalPolicy
from aws_cdk import aws_cloudtrail as cloudtrail
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.constructs.audit.audit_store import AuditStore
from infra.constructs.retention import log_days
from infra.environments import Environment
from infra.naming import arn, bucket_name
from infra.validation import acknowledge
from router_core.deployment import ARCHIVE_BUCKET, LAKE_BUCKET, MODELS_BUCKET, TABLES, resource_name

BUCKETS = (MODELS_BUCKET, LAKE_BUCKET, ARCHIVE_BUCKET, "audit")


class Trail(Construct):
    """`tierwise-ENV`, into the audit store and a log group."""

    def __init__(self, scope: Construct, id: str, *, environment: Environment, store: AuditStore) -> None:
        super().__init__(scope, id)
        name = resource_name(environment.name, "trail")
        log = logs.LogGroup(
            self,
            "Log",
            log_group_name=f"/{name}",
            encryption_key=store.key,
            retention=log_days(environment),
            removal_policy=RemovalPolicy.DESTROY,
        )
        trail = cloudtrail.CfnTrail(
            self,
            "Trail",
            trail_name=name,
            s3_bucket_name=store.bucket.bucket_name,
            kms_key_id=store.key.key_arn,
            is_logging=True,
            is_multi_region_trail=True,
            include_global_service_events=True,
            enable_log_file_validation=True,
            cloud_watch_logs_log_group_arn=log.log_group_arn,
            cloud_watch_logs_role_arn=self._role(environment, name).role_arn,
            event_selectors=[
                cloudtrail.CfnTrail.EventSelectorProperty(
                    include_management_events=True,
                    read_write_type="All",
                    data_resources=data_resources(environment)
                    if environment.upper.audit.data_events
                    else None,
                )
            ],
        )
        if store.bucket.policy is not None:
            trail.node.add_dependency(store.bucket.policy)

    def _role(self, environment: Environment, name: str) -> iam.Role:
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("cloudtrail.amazonaws.com"))
        streams = arn(
            environment,
            "logs",
            f"log-group:/{name}:log-stream:{environment.account}_CloudTrail_{environment.region}*",
        )
        role.add_to_policy(
            iam.PolicyStatement(actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[streams])
        )
        acknowledge(
            role, f"IAM5[Resource::{streams}]", "CloudTrail numbers the streams of its group by itself."
        )
        return role


def data_resources(environment: Environment) -> list[cloudtrail.CfnTrail.DataResourceProperty]:
    """Our tables, and the objects of our buckets."""
    tables = [
        arn(environment, "dynamodb", f"table/{resource_name(environment.name, table)}") for table in TABLES
    ]
    objects = [f"arn:aws:s3:::{bucket_name(environment, what)}/" for what in BUCKETS]
    found = cloudtrail.CfnTrail.DataResourceProperty
    return [
        found(type="AWS::DynamoDB::Table", values=tables),
        found(type="AWS::S3::Object", values=objects),
    ]
