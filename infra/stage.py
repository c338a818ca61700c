"""Which stacks make one environment, in which order, and what each is handed by the others.

A stack gets what it needs as arguments. What two stacks would need from each other goes by name
(`router_core.deployment`), so that no stack is locked by another's export.
"""

from __future__ import annotations

from dataclasses import replace

from aws_cdk import App, Tags

from infra.environments import ENVIRONMENTS, Environment
from infra.stacks.agents import AgentsStack
from infra.stacks.api import ApiStack
from infra.stacks.cache import CacheStack
from infra.stacks.data import DataStack
from infra.stacks.network import NetworkStack
from infra.stacks.workflow import WorkflowStack


def chosen_environment(app: App) -> Environment:
    """The environment of `-c env=`, in the account and region of `-c account=` and `-c region=` where given."""
    name = app.node.try_get_context("env")
    if name not in ENVIRONMENTS:
        raise ValueError(f"-c env={name}: choose one of {', '.join(ENVIRONMENTS)}")
    environment = ENVIRONMENTS[name]
    account = app.node.try_get_context("account") or environment.account
    region = app.node.try_get_context("region") or environment.region
    if region != environment.region:
        zones = tuple(region + zone.removeprefix(environment.region) for zone in environment.zones)
        environment = replace(environment, region=region, zones=zones)
    return replace(environment, account=account)


def compose(app: App, environment: Environment) -> None:
    """All stacks of one environment."""
    key = f"availability-zones:account={environment.account}:region={environment.region}"
    if (
        app.node.try_get_context(key) is None
    ):  # an account that no file knows: no look-up, the zones are ours to name
        app.node.set_context(key, list(environment.zones))
    network = NetworkStack(app, environment)
    data = DataStack(app, environment)
    cache = CacheStack(app, environment, network=network, data=data)
    agents = AgentsStack(app, environment, network=network, data=data, cache=cache)
    WorkflowStack(app, environment, agents=agents, data=data)
    ApiStack(app, environment, agents=agents)
    Tags.of(app).add("application", "tierwise")
    Tags.of(app).add("environment", environment.name)
