"""Asynchronous requests and their judgement: topics and queues, the history, who works on them, and what tunes them."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Stack
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from infra.constructs.alert_topic import alert_topic
from infra.constructs.functions.service_function import FunctionPlace
from infra.constructs.functions.service_functions import functions_code
from infra.constructs.functions.settings import function_variables
from infra.constructs.judge.database import JobDatabase
from infra.constructs.judge.queues import JobQueues
from infra.constructs.judge.service import WorkerService
from infra.constructs.judge.tuning import JobTuning
from infra.constructs.judge.workers import JobFunctions
from infra.constructs.vpc import Vpc
from infra.environments import Environment
from infra.naming import arn, place, stack_name
from infra.stacks.cache import CacheStack
from infra.stacks.data import DataStack
from infra.stacks.network import NetworkStack
from infra.validation import acknowledge
from router_core.deployment import JOBS, resource_name, settings_prefix

_SECRET_CHARACTERS = 64
TASK_CERTIFICATES = "/opt/tierwise/rds-ca.pem"
FUNCTION_CERTIFICATES = "/var/task/rds-ca.pem"
"""Where the image and the functions' asset hold the certificates of the region's databases."""


class JudgeStack(Stack):
    """Hosts learn where all of it is from settings in Parameter Store, as they learn of targets and keys."""

    def __init__(
        self,
        scope: Construct,
        environment: Environment,
        *,
        network: NetworkStack,
        data: DataStack,
        cache: CacheStack,
    ) -> None:
        super().__init__(scope, stack_name(environment, "judge"), env=place(environment))
        self._environment = environment
        alerts = alert_topic(self, "Alerts", environment)
        queues = JobQueues(self, "Queues", environment=environment, key=data.key, alerts=alerts)
        database = JobDatabase(
            self, "Database", environment=environment, network=network.network, key=data.key
        )
        tuning = JobTuning(
            self,
            "Tuning",
            environment=environment,
            alarms=[queue.old for queue in queues.by_name.values()],
        )
        self._settings(
            url=database.url,
            iam="true",
            sns=arn(environment, "sns", resource_name(environment.name, JOBS)),
            appconfig=tuning.name,
            key=f"aws-secret:{self._key(data).secret_arn}",
        )
        variables = function_variables(environment, cache.redis)
        vpc = network.network
        functions = self._functions(vpc, data, variables)
        if environment.upper.jobs.workers == "functions":
            functions.work_on(queues)
        else:
            service = WorkerService(self, "Workers", environment=environment, network=vpc, key=data.key)
            service.run({**variables, "TIERWISE_JOBS__CA_FILE": TASK_CERTIFICATES}, queues)

    def _functions(self, vpc: Vpc, data: DataStack, variables: Mapping[str, str]) -> JobFunctions:
        return JobFunctions(
            self,
            "Functions",
            environment=self._environment,
            place=FunctionPlace(
                code=functions_code(self),
                vpc=vpc.vpc,
                security_group=vpc.workers,
                dead_letters=sqs.Queue.from_queue_arn(
                    self,
                    "Lost",
                    arn(self._environment, "sqs", resource_name(self._environment.name, "functions-dlq")),
                ),
            ),
            key=data.key,
            variables={**variables, "TIERWISE_JOBS__CA_FILE": FUNCTION_CERTIFICATES},
        )

    def _settings(self, **values: str) -> None:
        for name, value in values.items():
            ssm.StringParameter(
                self,
                f"Setting{name.title()}",
                parameter_name=f"{settings_prefix(self._environment.name)}/{JOBS}/{name}",
                string_value=value,
            )

    def _key(self, data: DataStack) -> secretsmanager.Secret:
        secret = secretsmanager.Secret(
            self,
            "Key",
            secret_name=f"tierwise/{self._environment.name}/jobs",
            description="Seals what callers wrote before it reaches the database",
            encryption_key=data.key,
            generate_secret_string=secretsmanager.SecretStringGenerator(
                password_length=_SECRET_CHARACTERS, exclude_punctuation=True
            ),
        )
        acknowledge(
            secret, "SMG4", "What is sealed with it would not open with another; jobs are kept for days only."
        )
        return secret
