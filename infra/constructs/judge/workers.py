"""Who works on the queues: functions that SQS calls, or a service that is as big as the oldest message is old.

Functions cost nothing while nobody asks; a service has no limit of time for one job. The environment says which. The relay is
there either way: a minute after the last process that could have published a message died, it does.
"""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.constructs.functions.grants import grants
from infra.constructs.functions.service_function import FunctionPlace, FunctionSpec, ServiceFunction
from infra.constructs.judge.permissions import of_function
from infra.constructs.judge.queues import FUNCTION_S, JobQueues
from infra.environments import Environment
from router_core.deployment import JOB_QUEUES, JOBS, RELAY, STAGE, resource_name

BATCH = 5
RELAY_S = 60


class JobFunctions(Construct):
    """`by_name["inference"]`, `by_name["relay"]`."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        environment: Environment,
        place: FunctionPlace,
        key: kms.IKey,
        variables: Mapping[str, str],
    ) -> None:
        super().__init__(scope, id)
        self._environment, self._place, self._variables = environment, place, variables
        self._path = grants(environment, key.key_arn)["api"]
        self.by_name = {RELAY: self._function(RELAY, RELAY_S)}
        self._every_minute(self.by_name[RELAY])

    def work_on(self, queues: JobQueues) -> None:
        """A function for each queue, called with batches; it says which messages of one must come again."""
        for name in JOB_QUEUES:
            function = self.by_name[name] = self._function(name, FUNCTION_S)
            lambda_.CfnEventSourceMapping(
                self,
                f"{name.title()}Batches",
                function_name=function.alias.function_arn,
                event_source_arn=queues.by_name[name].queue.queue_arn,
                batch_size=BATCH,
                function_response_types=["ReportBatchItemFailures"],
                scaling_config=lambda_.CfnEventSourceMapping.ScalingConfigProperty(
                    maximum_concurrency=self._environment.upper.jobs.max_workers
                ),
            )

    def _function(self, name: str, timeout_s: int) -> ServiceFunction:
        full = f"{JOBS}-{name}"
        return ServiceFunction(
            self,
            name.title(),
            self._environment,
            self._place,
            FunctionSpec(
                name=full,
                timeout_s=timeout_s,
                grants=of_function(self._environment, name, self._path),
                variables={**self._variables, STAGE: full},
            ),
        )

    def _every_minute(self, relay: ServiceFunction) -> None:
        events.Rule(
            self,
            "EveryMinute",
            rule_name=resource_name(self._environment.name, f"{JOBS}-{RELAY}"),
            schedule=events.Schedule.rate(Duration.minutes(1)),
            targets=[targets.LambdaFunction(relay.alias, retry_attempts=0)],
        )
