"""What becomes of records: the stream, its first reader, the lake with its questions, and the alert bus."""

from __future__ import annotations

from aws_cdk import Stack
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.constructs.alert_bus import AlertBus
from infra.constructs.alert_topic import alert_topic
from infra.constructs.event_stream import dead_letters, event_stream, read_by
from infra.constructs.lake import Lake
from infra.constructs.lake_tables import LakeTables
from infra.environments import Environment
from infra.naming import place, stack_name
from infra.stacks.data import DataStack
from router_core.deployment import resource_name


class StreamStack(Stack):
    """Alerts go to the observability stack's topic, by name: that stack comes first."""

    def __init__(
        self,
        scope: Construct,
        environment: Environment,
        *,
        data: DataStack,
        analytics: lambda_.IFunction,
        listener: lambda_.IFunction,
    ) -> None:
        super().__init__(scope, stack_name(environment, "stream"), env=place(environment))
        stream = event_stream(self, "Stream", environment, data.key)
        lost = dead_letters(self, "Lost", resource_name(environment.name, "events-dlq"), data.key)
        batch = environment.upper.stream.batch
        read_by(self, "Analytics", stream=stream, function=analytics, lost=lost, batch=batch)
        Lake(self, "Lake", environment=environment, stream=stream, key=data.key)
        LakeTables(self, "LakeTables", environment=environment, key=data.key)
        topic = alert_topic(self, "Topic", environment)
        bus = AlertBus(self, "Alerts", env=environment.name, topic=topic, key=data.key)
        bus.listened(listener)
        # Firehose writes into the lake by its name.
        self.add_stack_dependency(data, "the lake's bucket comes first")
