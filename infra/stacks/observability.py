"""What is seen and who is told: the alert topic, the alarms, the dashboard, and which requests are traced."""

from __future__ import annotations

from aws_cdk import Stack
from constructs import Construct

from infra.constructs.alarms import Alarms
from infra.constructs.alert_topic import AlertTopic
from infra.constructs.dashboard import lay_out
from infra.constructs.traces import trace_groups
from infra.constructs.watched import watched
from infra.environments import Environment
from infra.naming import place, stack_name


class ObservabilityStack(Stack):
    """`topic` for whoever has something to say."""

    def __init__(self, scope: Construct, environment: Environment) -> None:
        super().__init__(scope, stack_name(environment, "observability"), env=place(environment))
        names = watched(environment.name, environment.region)
        limits = environment.upper.alarms
        self.topic = AlertTopic(self, "Alerts", env=environment.name, email=limits.email).topic
        self.alarms = Alarms(self, "Alarms", watched=names, limits=limits, topic=self.topic)
        states = [*self.alarms.by_name.values(), self.alarms.release]
        self.dashboard = lay_out(self, "Dashboard", watched=names, alarms=states)
        trace_groups(self, env=environment.name, latency_s=limits.latency_p99_ms / 1000)
