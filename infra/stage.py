"""Which stacks make one environment, in which order, and what each is handed by the others.

A stack gets what it needs as arguments. What two stacks would need from each other goes by name
(`router_core.deployment`), so that no stack is locked by another's export.
"""

from __future__ import annotations

from dataclasses import replace

from aws_cdk import App, Tags

from infra.environments import ENVIRONMENTS, Environment
from infra.stacks.data import DataStack
from infra.stacks.network import NetworkStack


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
    if app.node.try_get_context(key) is None:  # an account that no file knows: no look-up, the zones are ours to name
        app.node.set_context(key, list(environment.zones))
    network = NetworkStack(app, environment)
    DataStack(app, environment)
    assert network.vpc
    Tags.of(app).add("application", "tierwise")
    Tags.of(app).add("environment", environment.name)
