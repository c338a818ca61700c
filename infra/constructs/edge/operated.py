"""What a gateway may do by itself: set how many tasks of a model run, and end a canary that does harm."""

from __future__ import annotations

from infra.constructs.functions.grants import Grant
from infra.environments import Environment
from infra.naming import arn, bucket_name
from router_core.deployment import MODELS_BUCKET, resource_name, rollout_parameter


def operating(environment: Environment) -> tuple[Grant, ...]:
    """For the cache agent's actuator: services of models by name, and the models there are."""
    cluster = resource_name(environment.name, "edge")
    services = tuple(
        arn(environment, "ecs", f"service/{cluster}/{resource_name(environment.name, model.name)}")
        for model in environment.upper.gpu.models
    )
    bucket = f"arn:aws:s3:::{bucket_name(environment, MODELS_BUCKET)}"
    counts = (
        (Grant(actions=("ecs:DescribeServices", "ecs:UpdateService"), resources=services),)
        if services
        else ()
    )
    return (
        *counts,
        # Writing a rollout is how a canary ends; the policy itself is an operator's to write.
        Grant(
            actions=("ssm:PutParameter",),
            resources=(arn(environment, "ssm", f"parameter{rollout_parameter(environment.name)}"),),
        ),
        Grant(actions=("s3:ListBucket",), resources=(bucket,)),
        Grant(
            actions=("s3:GetObject",),
            resources=(f"{bucket}/*",),
            reason="Models have names that operators give.",
        ),
    )
