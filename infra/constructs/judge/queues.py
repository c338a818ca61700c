"""How messages of asynchronous requests travel: per queue of the product a topic, a queue behind it, and one for dead messages.

Messages hold ids only; they are encrypted all the same, and only over TLS. Our workers count tries and bury what is poison
with the reason; SQS sets aside by itself only what nobody ever spoke for.
"""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cw
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.constructs.event_stream import dead_letters
from infra.environments import Environment
from router_core.deployment import DEAD_LETTERS, JOB_QUEUES, JOBS, MAX_RECEIVES, resource_name

FUNCTION_S = 120
"""A worker as a function has this long for a batch."""
VISIBLE_S = 6 * FUNCTION_S
"""Lambda asks for six times the function's time; workers as processes keep shorter leases by themselves."""
_RETENTION = Duration.days(14)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobQueue:
    """One queue with everything around it."""

    name: str
    topic: sns.Topic
    queue: sqs.Queue
    dead: sqs.Queue
    old: cw.Alarm


class JobQueues(Construct):
    """`by_name["inference"].queue`"""

    def __init__(
        self, scope: Construct, id: str, *, environment: Environment, key: kms.IKey, alerts: sns.ITopic
    ) -> None:
        super().__init__(scope, id)
        self._environment, self._key, self._alert = environment, key, actions.SnsAction(alerts)
        self.by_name = {name: self._queue(name) for name in JOB_QUEUES}

    def _queue(self, name: str) -> JobQueue:
        title, full = name.title(), resource_name(self._environment.name, f"{JOBS}-{name}")
        topic = sns.Topic(self, f"{title}Topic", topic_name=full, master_key=self._key, enforce_ssl=True)
        dead = dead_letters(self, f"{title}Dead", f"{full}{DEAD_LETTERS}", self._key)
        queue = sqs.Queue(
            self,
            title,
            queue_name=full,
            encryption=sqs.QueueEncryption.KMS,
            encryption_master_key=self._key,
            data_key_reuse=Duration.hours(1),
            enforce_ssl=True,
            retention_period=_RETENTION,
            visibility_timeout=Duration.seconds(VISIBLE_S),
            receive_message_wait_time=Duration.seconds(20),
            max_message_size_bytes=256 * 1024,
            dead_letter_queue=sqs.DeadLetterQueue(queue=dead, max_receive_count=MAX_RECEIVES),
        )
        self._fed_by(topic, queue, title)
        self._alarm(
            f"{title}DeadAlarm", f"{full}-dead", dead.metric_approximate_number_of_messages_visible(), 0
        )
        limit_s = self._environment.upper.jobs.oldest_s
        old = self._alarm(
            f"{title}OldAlarm", f"{full}-old", queue.metric_approximate_age_of_oldest_message(), limit_s
        )
        return JobQueue(name=name, topic=topic, queue=queue, dead=dead, old=old)

    def _fed_by(self, topic: sns.Topic, queue: sqs.Queue, title: str) -> None:
        """By hand: the CDK's own way would open the key to any account's topics."""
        queue.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("sns.amazonaws.com")],
                actions=["sqs:SendMessage"],
                resources=[queue.queue_arn],
                conditions={"ArnEquals": {"aws:SourceArn": topic.topic_arn}},
            )
        )
        sns.Subscription(
            self,
            f"{title}Subscription",
            topic=topic,
            endpoint=queue.queue_arn,
            protocol=sns.SubscriptionProtocol.SQS,
            raw_message_delivery=True,
        )

    def _alarm(self, id: str, name: str, metric: cw.Metric, limit: float) -> cw.Alarm:
        alarm = cw.Alarm(
            self,
            id,
            alarm_name=name,
            metric=metric,
            threshold=limit,
            comparison_operator=cw.ComparisonOperator.GREATER_THAN_THRESHOLD,
            evaluation_periods=1,
            treat_missing_data=cw.TreatMissingData.NOT_BREACHING,
        )
        alarm.add_alarm_action(self._alert)
        return alarm
