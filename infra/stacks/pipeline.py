"""How a commit gets into every environment: one account hosts the pipeline, and the others trust it to deploy."""

from __future__ import annotations

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.constructs.closed_bucket import closed_bucket
from infra.constructs.delivery.images import Images
from infra.constructs.delivery.pipeline import DeliveryPipeline
from infra.environments import ENVIRONMENTS, Environment
from infra.naming import bucket_name, place, stack_name
from infra.sizing import Delivery
from router_core.deployment import resource_name

_KEPT = Duration.days(30)


class PipelineStack(Stack):
    def __init__(
        self,
        scope: Construct,
        environment: Environment,
        delivery: Delivery,
        *,
        topic: sns.ITopic,
        access_logs: s3.IBucket,
    ) -> None:
        super().__init__(scope, stack_name(environment, "pipeline"), env=place(environment))
        key = kms.Key(
            self,
            "Key",
            alias=f"alias/{resource_name(environment.name, 'pipeline')}",
            description="Sources and results of the pipeline",
            enable_key_rotation=True,
            removal_policy=RemovalPolicy.DESTROY,
        )
        artifacts = closed_bucket(
            self,
            "Artifacts",
            bucket_name=bucket_name(environment, "pipeline"),
            key=key,
            server_access_logs_bucket=access_logs,
            server_access_logs_prefix="pipeline/",
            lifecycle_rules=[s3.LifecycleRule(expiration=_KEPT, noncurrent_version_expiration=_KEPT)],
            removal_policy=RemovalPolicy.DESTROY,
        )
        accounts = tuple(ENVIRONMENTS[name].account for name in delivery.environments)
        images = Images(self, "Images", kept=delivery.images_kept, accounts=accounts)
        line = DeliveryPipeline(self, "Delivery", environment=environment, delivery=delivery, key=key)
        line.lay(artifacts, images, topic)
