"""What a host is told about where things are: variables of every function, and the settings in Parameter Store.

Variables are what the templates know (names of tables, the stream, the cache); parameters are what an operator may
change between deployments (targets, keys). Names and forms are those of `tierwise.toml`.
"""

from __future__ import annotations

from infra.constructs.edge.node_targets import node_targets
from infra.constructs.redis import Redis
from infra.environments import Environment
from infra.naming import arn, bucket_name
from router_core import deployment
from router_core.deployment import TABLES, resource_name

_ASKED = deployment.DELIBERATES.removesuffix("REGION")
WRITABLE = "/tmp"  # noqa: S108 - the only folder that Lambda lets a function write to
"""Where a function may keep a copy of what it can get again."""


def machine_arn(environment: Environment, machine: str) -> str:
    return arn(environment, "states", f"stateMachine:{resource_name(environment.name, machine)}")


def own_variables(environment: Environment, function: str) -> dict[str, str]:
    """What one function is told beside what all are told: the door learns who answers whoever waits, and those that decide
    where the models are that they may ask."""
    told: dict[str, str] = {}
    if function == "api" and environment.workflow == "state-machine":
        told[deployment.SYNC_WORKFLOW_ARN] = machine_arn(environment, deployment.SYNC_MACHINE)
    if thinks(environment, function):
        told[deployment.DELIBERATES] = environment.region
        told |= {f"{_ASKED}{role.upper()}": model for role, model in nova_models(environment).items()}
    return told


def thinks(environment: Environment, function: str) -> bool:
    """Whether this function may ask models about its decisions."""
    return environment.deliberation and function in ("api", "router")


def nova_models(environment: Environment) -> dict[str, str]:
    """The models that agents ask, by role: profiles of the continent, which Bedrock offers in every region."""
    continent = environment.region.split("-")[0]
    return {role: f"{continent}.amazon.nova-{role}-v1:0" for role in ("micro", "lite", "pro")}


def function_variables(environment: Environment, redis: Redis) -> dict[str, str]:
    """Equal for all functions but for `TIERWISE_STAGE` and `own_variables`."""
    name = environment.name
    tables = {f"TIERWISE_STORES__{table.upper()}": resource_name(name, table) for table in TABLES}
    return {
        deployment.ENV: name,
        deployment.SETTINGS_SSM: deployment.settings_prefix(name),
        deployment.WORKFLOW_ARN: machine_arn(environment, deployment.MACHINE),
        "TIERWISE_POLICY__SSM": deployment.policy_parameter(name),
        "TIERWISE_EVENTS__KINESIS": resource_name(name, deployment.STREAM),
        "TIERWISE_REDIS__ENVIRONMENT": name,
        "TIERWISE_REDIS__URL": redis.url,
        "TIERWISE_REDIS__PASSWORD": f"aws-secret:{redis.secret.secret_arn}",
        "TIERWISE_POLICY__COPY": f"{WRITABLE}/policy.json",
        "TIERWISE_EVENTS__DIR": f"{WRITABLE}/events",
        "TIERWISE_STORES__ARCHIVE": bucket_name(environment, deployment.ARCHIVE_BUCKET),
        "TIERWISE_STORES__MODELS": bucket_name(environment, deployment.MODELS_BUCKET),
        **tables,
    }


def initial_settings(environment: Environment) -> dict[str, object]:
    """What a new environment can reach at once: the device model in the asset, Bedrock in its region, and the model nodes."""
    continent = environment.region.split("-")[0]
    bedrock = {"kind": "bedrock", "region": environment.region}
    return {
        "targets": [
            {"name": "device/intent-v1", "kind": "onnx"},
            {"name": "cloud/nova-micro", "model": f"{continent}.amazon.nova-micro-v1:0", **bedrock},
            {"name": "cloud/nova-lite", "model": f"{continent}.amazon.nova-lite-v1:0", **bedrock},
            {"name": "cloud/nova-pro", "model": f"{continent}.amazon.nova-pro-v1:0", **bedrock},
            *node_targets(environment),
        ]
    }
