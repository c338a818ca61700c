"""What a gateway may do by itself: set how many tasks of a model run, end a canary that does harm, and, in an environment made
for it, begin one of a proposal that was accepted."""

from __future__ import annotations

from infra.constructs.functions.grants import Grant
from infra.environments import Environment
from infra.naming import arn, bucket_name
from router_core.deployment import MODELS_BUCKET, policy_parameter, resource_name, rollout_parameter


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
        # Writing a rollout is how a canary ends.
        Grant(actions=("ssm:PutParameter",), resources=(_rollout(environment),)),
        *proposing(environment),
        Grant(actions=("s3:ListBucket",), resources=(bucket,)),
        Grant(
            actions=("s3:GetObject",),
            resources=(f"{bucket}/*",),
            reason="Models have names that operators give.",
        ),
    )


def proposing(environment: Environment) -> tuple[Grant, ...]:
    """To push an accepted proposal as a canary. Without this the policy itself is an operator's to write."""
    if not environment.proposals:
        return ()
    policy = arn(environment, "ssm", f"parameter{policy_parameter(environment.name)}")
    return (
        Grant(actions=("ssm:GetParameterHistory",), resources=(policy, _rollout(environment))),
        Grant(
            actions=("ssm:LabelParameterVersion", "ssm:PutParameter", "ssm:UnlabelParameterVersion"),
            resources=(policy,),
        ),
    )


def _rollout(environment: Environment) -> str:
    return arn(environment, "ssm", f"parameter{rollout_parameter(environment.name)}")
