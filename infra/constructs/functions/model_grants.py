"""Which models a function may invoke: those that serve requests, and those that are asked about decisions."""

from __future__ import annotations

from infra.constructs.functions.grant import Grant
from infra.constructs.functions.settings import nova_models
from infra.environments import Environment
from infra.naming import arn
from router_core.deployment import resource_name

INVOKE = ("bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream")


def served_models(environment: Environment) -> tuple[Grant, ...]:
    """Models are data: settings name them, and a cross-region profile calls its model wherever there is room."""
    return (
        Grant(
            actions=INVOKE,
            resources=("arn:aws:bedrock:*::foundation-model/*",),
            reason="Settings choose the model; a cross-region profile runs it in another region of its continent.",
        ),
        Grant(
            actions=INVOKE,
            resources=(arn(environment, "bedrock", "inference-profile/*"),),
            reason="Settings choose the profile.",
        ),
        Grant(
            actions=("sagemaker:InvokeEndpoint", "sagemaker:InvokeEndpointWithResponseStream"),
            resources=(arn(environment, "sagemaker", f"endpoint/{resource_name(environment.name, '*')}"),),
            reason="Settings choose the endpoint among this environment's.",
        ),
    )


def asked_models(environment: Environment) -> tuple[Grant, ...]:
    """The models that are asked about decisions, and no others: only in an environment that was made for it."""
    if not environment.deliberation:
        return ()
    models = nova_models(environment).values()
    return (
        Grant(
            actions=INVOKE,
            resources=tuple(arn(environment, "bedrock", f"inference-profile/{model}") for model in models),
        ),
        Grant(
            actions=INVOKE,
            resources=tuple(
                f"arn:aws:bedrock:*::foundation-model/{model.partition('.')[2]}" for model in models
            ),
            reason="A cross-region profile runs its model in another region of its continent.",
        ),
    )
