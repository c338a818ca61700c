"""What gateways are told about model nodes: their names in the network, as targets in the form of the settings.

Names only, so that the settings can be written before the nodes exist. A name may stand for several tasks of one
model; figures of load are then those of the one that answered, so a service of its own per node is more exact.
"""

from __future__ import annotations

from infra.environments import Environment
from infra.naming import arn


def namespace(environment: Environment) -> str:
    """The private zone in which nodes have names."""
    return f"{environment.name}.tierwise.internal"


def node_key_name(environment: Environment) -> str:
    """The secret that a gateway shows to nodes."""
    return f"tierwise/{environment.name}/nodes"


def node_targets(environment: Environment) -> list[dict[str, object]]:
    """A target for each model of the environment."""
    key = arn(environment, "secretsmanager", f"secret:{node_key_name(environment)}")
    return [
        {
            "name": f"mec/{model.name}",
            "kind": "openai",
            "model": model.model,
            "base_url": f"http://{model.name}.{namespace(environment)}:8000/v1",
            "api_key": f"aws-secret:{key}",
            "region": environment.region,
            "context_tokens": model.context_tokens,
            "continues": True,
        }
        for model in environment.upper.gpu.models
    ]
