"""AWS Config: whether what runs still is what the templates said, judged by a handful of rules that matter here.

Only the kinds of resources that a rule reads are recorded: each recorded change is billed.
"""

from __future__ import annotations

from typing import Final

from aws_cdk import aws_config as config
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.constructs.audit.audit_store import AuditStore
from infra.environments import Environment
from infra.naming import bucket_name
from infra.validation import acknowledge
from router_core.deployment import resource_name

RULES: Final = {
    "CLOUD_TRAIL_LOG_FILE_VALIDATION_ENABLED": "a changed record of who did what must show",
    "DYNAMODB_PITR_ENABLED": "a table must survive a bad write",
    "DYNAMODB_TABLE_ENCRYPTED_KMS": "who may read a record is decided by our key",
    "ECS_CONTAINERS_NONPRIVILEGED": "a container never owns its machine",
    "ECS_CONTAINERS_READONLY_ACCESS": "a container cannot change its own program",
    "IAM_POLICY_NO_STATEMENTS_WITH_ADMIN_ACCESS": "nobody may do everything",
    "IAM_ROOT_ACCESS_KEY_CHECK": "the root user has no key to lose",
    "KMS_CMK_NOT_SCHEDULED_FOR_DELETION": "a deleted key deletes what it encrypts",
    "S3_BUCKET_LEVEL_PUBLIC_ACCESS_PROHIBITED": "no bucket of ours is public",
    "S3_BUCKET_SSL_REQUESTS_ONLY": "nobody reads a bucket in the clear",
    "SECRETSMANAGER_SCHEDULED_ROTATION_SUCCESS_CHECK": "keys are as young as we say",
    "VPC_FLOW_LOGS_ENABLED": "who talked to whom is known",
}
RECORDED: Final = (
    "AWS::CloudTrail::Trail",
    "AWS::DynamoDB::Table",
    "AWS::EC2::VPC",
    "AWS::ECS::TaskDefinition",
    "AWS::IAM::Policy",
    "AWS::KMS::Key",
    "AWS::S3::Bucket",
    "AWS::SecretsManager::Secret",
)


class ConfigRules(Construct):
    """The rules; with `config_recorder` also what records for them, which an account has once per region."""

    def __init__(self, scope: Construct, id: str, *, environment: Environment, store: AuditStore) -> None:
        super().__init__(scope, id)
        before = self._recorder(environment, store) if environment.upper.audit.config_recorder else None
        for identifier, reason in RULES.items():
            rule = config.CfnConfigRule(
                self,
                identifier,
                config_rule_name=resource_name(environment.name, identifier.lower().replace("_", "-")),
                description=reason,
                source=config.CfnConfigRule.SourceProperty(owner="AWS", source_identifier=identifier),
            )
            if before is not None:
                rule.add_resource_dependency(before)

    def _recorder(self, environment: Environment, store: AuditStore) -> config.CfnConfigurationRecorder:
        managed = "service-role/AWS_ConfigRole"
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("config.amazonaws.com"),
            managed_policies=[iam.ManagedPolicy.from_aws_managed_policy_name(managed)],
        )
        acknowledge(
            role,
            f"IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/{managed}]",
            "Which calls describe a resource is AWS Config's own knowledge, and changes with it.",
        )
        files = f"arn:aws:s3:::{bucket_name(environment, 'audit')}/AWSLogs/{environment.account}/Config/*"
        for actions, resource in (
            (["s3:PutObject"], files),
            (["s3:GetBucketAcl"], store.bucket.bucket_arn),
            (["kms:Decrypt", "kms:GenerateDataKey"], store.key.key_arn),
        ):
            role.add_to_policy(iam.PolicyStatement(actions=actions, resources=[resource]))
        acknowledge(role, f"IAM5[Resource::{files}]", "AWS Config names the files it writes.")
        recorder = config.CfnConfigurationRecorder(
            self,
            "Recorder",
            name=resource_name(environment.name, "recorder"),
            role_arn=role.role_arn,
            recording_group=config.CfnConfigurationRecorder.RecordingGroupProperty(
                all_supported=False, include_global_resource_types=False, resource_types=list(RECORDED)
            ),
        )
        channel = config.CfnDeliveryChannel(
            self,
            "Channel",
            name=resource_name(environment.name, "channel"),
            s3_bucket_name=store.bucket.bucket_name,
            s3_kms_key_arn=store.key.key_arn,
        )
        channel.node.add_dependency(role)
        return recorder
