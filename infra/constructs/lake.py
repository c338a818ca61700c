"""The event lake: every record of the stream as JSON in S3, by kind, day and tenant.

Firehose reads the stream by itself, so a gateway writes each record once. What Firehose cannot take apart lies beside
the records, under `errors/`.
"""

from __future__ import annotations

from typing import Final

from aws_cdk import RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_kinesisfirehose as firehose
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.constructs.lake_schema import ERRORS_PREFIX, PARTITIONS, PREFIX, delivered_prefix
from infra.constructs.retention import log_days
from infra.environments import Environment
from infra.naming import arn, bucket_name
from infra.validation import acknowledge
from router_core.deployment import LAKE_BUCKET, resource_name

_STREAM_NAME: Final = "S3Delivery"
_OBJECTS: Final = "Firehose names the objects it writes; it may write below these two prefixes only."


class Lake(Construct):
    """Firehose from the stream into the lake's bucket."""

    def __init__(
        self, scope: Construct, id: str, *, environment: Environment, stream: kinesis.Stream, key: kms.IKey
    ) -> None:
        super().__init__(scope, id)
        self._environment = environment
        self._bucket = f"arn:aws:s3:::{bucket_name(environment, LAKE_BUCKET)}"
        log = logs.LogGroup(
            self,
            "Log",
            log_group_name=f"/{resource_name(environment.name, 'lake')}",
            retention=log_days(environment),
            removal_policy=RemovalPolicy.DESTROY,
        )
        log.add_stream("Delivery", log_stream_name=_STREAM_NAME)
        role = self._role(stream, key, log)
        delivery = firehose.CfnDeliveryStream(
            self,
            "Delivery",
            delivery_stream_name=resource_name(environment.name, "lake"),
            delivery_stream_type="KinesisStreamAsSource",
            kinesis_stream_source_configuration=firehose.CfnDeliveryStream.KinesisStreamSourceConfigurationProperty(
                kinesis_stream_arn=stream.stream_arn, role_arn=role.role_arn
            ),
            extended_s3_destination_configuration=self._destination(role, key, log),
        )
        # Firehose tries its permissions when it is made.
        delivery.node.add_dependency(role)
        acknowledge(
            delivery, "KDF1", "It reads an encrypted stream; its own encryption is for direct writers."
        )

    def _destination(
        self, role: iam.Role, key: kms.IKey, log: logs.LogGroup
    ) -> firehose.CfnDeliveryStream.ExtendedS3DestinationConfigurationProperty:
        parts = firehose.CfnDeliveryStream
        return parts.ExtendedS3DestinationConfigurationProperty(
            bucket_arn=self._bucket,
            role_arn=role.role_arn,
            prefix=delivered_prefix(),
            error_output_prefix=f"{ERRORS_PREFIX}!{{firehose:error-output-type}}/",
            file_extension=".json.gz",
            compression_format="GZIP",
            encryption_configuration=parts.EncryptionConfigurationProperty(
                kms_encryption_config=parts.KMSEncryptionConfigProperty(awskms_key_arn=key.key_arn)
            ),
            buffering_hints=parts.BufferingHintsProperty(
                interval_in_seconds=self._environment.upper.stream.buffer_s, size_in_m_bs=64
            ),
            dynamic_partitioning_configuration=parts.DynamicPartitioningConfigurationProperty(
                enabled=True, retry_options=parts.RetryOptionsProperty(duration_in_seconds=300)
            ),
            processing_configuration=parts.ProcessingConfigurationProperty(
                enabled=True,
                processors=[
                    _processor(
                        "MetadataExtraction",
                        JsonParsingEngine="JQ-1.6",
                        MetadataExtractionQuery=partition_query(),
                    ),
                    _processor("AppendDelimiterToRecord", Delimiter="\\n"),
                ],
            ),
            cloud_watch_logging_options=parts.CloudWatchLoggingOptionsProperty(
                enabled=True, log_group_name=log.log_group_name, log_stream_name=_STREAM_NAME
            ),
        )

    def _role(self, stream: kinesis.Stream, key: kms.IKey, log: logs.LogGroup) -> iam.Role:
        account = self._environment.account
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal(
                "firehose.amazonaws.com", conditions={"StringEquals": {"sts:ExternalId": account}}
            ),
        )
        objects = [f"{self._bucket}/{prefix}*" for prefix in (PREFIX, ERRORS_PREFIX)]
        log_stream = f"log-group:/{resource_name(self._environment.name, 'lake')}:log-stream:{_STREAM_NAME}"
        for actions, resources in (
            (
                ("kinesis:DescribeStream", "kinesis:GetShardIterator", "kinesis:GetRecords", "kinesis:ListShards"),
                [stream.stream_arn],
            ),
            (("s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"), [self._bucket]),
            (("s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"), objects),
            (("kms:Decrypt", "kms:GenerateDataKey"), [key.key_arn]),
            (("logs:PutLogEvents",), [arn(self._environment, "logs", log_stream)]),
        ):  # fmt: skip
            role.add_to_policy(iam.PolicyStatement(actions=list(actions), resources=list(resources)))
        for name in objects:
            acknowledge(role, f"IAM5[Resource::{name}]", _OBJECTS)
        return role


def _processor(kind: str, **parameters: str) -> firehose.CfnDeliveryStream.ProcessorProperty:
    part = firehose.CfnDeliveryStream.ProcessorParameterProperty
    return firehose.CfnDeliveryStream.ProcessorProperty(
        type=kind,
        parameters=[part(parameter_name=name, parameter_value=value) for name, value in parameters.items()],
    )


def partition_query() -> str:
    """The jq program that takes a record's partition apart."""
    return "{" + ", ".join(f"{name}: ({value})" for name, value in PARTITIONS.items()) + "}"
