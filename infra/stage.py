"""Which stacks make one environment, in which order, and what each is handed by the others.

A stack gets what it needs as arguments. What two stacks would need from each other goes by name
(`router_core.deployment`), so that no stack is locked by another's export.
"""

from __future__ import annotations

from dataclasses import replace

from aws_cdk import App, Tags

from infra.constructs.spending import cost_tags
from infra.environments import ENVIRONMENTS, Environment
from infra.stacks.agentcore import AgentCoreStack
from infra.stacks.agents import AgentsStack
from infra.stacks.api import ApiStack
from infra.stacks.cache import CacheStack
from infra.stacks.cost import CostStack
from infra.stacks.data import DataStack
from infra.stacks.edge import EdgeStack
from infra.stacks.judge import JudgeStack
from infra.stacks.network import NetworkStack
from infra.stacks.observability import ObservabilityStack
from infra.stacks.pipeline import PipelineStack
from infra.stacks.security import SecurityStack
from infra.stacks.stream import StreamStack
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
    api = ApiStack(app, environment, agents=agents)
    observability = ObservabilityStack(app, environment)
    functions, topic = agents.functions.by_name, observability.topic
    heard = {name: functions[name].alias for name in ("analytics", "listener")}
    stream = StreamStack(app, environment, data=data, **heard)
    security = SecurityStack(app, environment, data=data, rotation=functions["rotation"].alias)
    edge = EdgeStack(app, environment, network=network, data=data, cache=cache, firewall=api.firewall)
    judge = JudgeStack(app, environment, network=network, data=data, cache=cache)
    if environment.agentcore is not None:
        AgentCoreStack(app, environment, environment.agentcore, network=network, data=data, cache=cache)
    CostStack(app, environment, topic=topic)
    if environment.upper.delivery is not None:
        logs = data.buckets.access_logs
        PipelineStack(app, environment, environment.upper.delivery, topic=topic, access_logs=logs)
    security.add_stack_dependency(api, "the access log that refusals are counted in")
    edge.add_stack_dependency(observability, "the alarms that stop a release")
    judge.add_stack_dependency(observability, "the topic that its alarms go to")
    judge.add_stack_dependency(agents, "the queue of failed calls of functions")
    edge.add_stack_dependency(judge, "the settings that a gateway starts with")
    stream.add_stack_dependency(observability, "the topic that alerts go to")
    for name, value in cost_tags(environment).items():
        Tags.of(app).add(name, value)
