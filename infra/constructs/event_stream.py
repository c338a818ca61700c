"""The event stream and who reads it first: the analytics function, record by record, with nothing lost silently.

A batch that fails is halved until the record that fails is alone; that one is tried again and then goes to the
dead-letter queue, while the rest goes on. The function reports which records failed, so that the others count once.
"""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.constructs.retention import removal
from infra.environments import Environment
from infra.validation import acknowledge
from router_core.deployment import STREAM, resource_name

TRIES = 5
OLDEST = Duration.hours(12)
"""A record that could not be processed for that long goes to the dead-letter queue, too."""


def event_stream(scope: Construct, id: str, environment: Environment, key: kms.IKey) -> kinesis.Stream:
    """`tierwise-ENV-events`; without a shard count its capacity follows the traffic."""
    size = environment.upper.stream
    stream = kinesis.Stream(
        scope,
        id,
        stream_name=resource_name(environment.name, STREAM),
        stream_mode=kinesis.StreamMode.PROVISIONED if size.shards else kinesis.StreamMode.ON_DEMAND,
        shard_count=size.shards,
        retention_period=Duration.hours(size.retention_hours),
        encryption=kinesis.StreamEncryption.KMS,
        encryption_key=key,
        removal_policy=removal(environment),
    )
    acknowledge(stream, "KDS3", "The customer key says who reads records; AWS's own key could not.")
    return stream


def dead_letters(scope: Construct, id: str, name: str, key: kms.IKey) -> sqs.Queue:
    """A queue at the end of the line: two weeks to look at what nobody could process."""
    queue = sqs.Queue(
        scope,
        id,
        queue_name=name,
        encryption=sqs.QueueEncryption.KMS,
        encryption_master_key=key,
        data_key_reuse=Duration.hours(1),
        enforce_ssl=True,
        retention_period=Duration.days(14),
    )
    acknowledge(queue, "SQS3", "It is a dead-letter queue itself; an alarm tells when it is not empty.")
    return queue


def read_by(
    scope: Construct,
    id: str,
    *,
    stream: kinesis.Stream,
    function: lambda_.IFunction,
    lost: sqs.Queue,
    batch: int,
) -> lambda_.CfnEventSourceMapping:
    """Hand the stream's records to `function`, whose role may read the stream and write to `lost` by their names."""
    return lambda_.CfnEventSourceMapping(
        scope,
        id,
        function_name=function.function_arn,
        event_source_arn=stream.stream_arn,
        starting_position="TRIM_HORIZON",
        batch_size=batch,
        maximum_batching_window_in_seconds=5,
        bisect_batch_on_function_error=True,
        maximum_retry_attempts=TRIES,
        maximum_record_age_in_seconds=int(OLDEST.to_seconds()),
        parallelization_factor=2,
        function_response_types=["ReportBatchItemFailures"],
        destination_config=lambda_.CfnEventSourceMapping.DestinationConfigProperty(
            on_failure=lambda_.CfnEventSourceMapping.OnFailureProperty(destination=lost.queue_arn)
        ),
    )
