"""SNS and SQS of a local AWS inside this process, so that a test can let their time pass."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from moto.server import ThreadedMotoServer
from moto.sqs.models import sqs_backends

from router_core.adapters.sqs.carrier import DEAD, Carrier
from router_core.adapters.sqs.topics import Topics as SnsTopics
from router_core.jobs.stages import QUEUES
from tests.localmoto import ACCOUNT, REGION, client, unique

MAX_RECEIVES = 100


@contextmanager
def running_site() -> Iterator[str]:
    """The address of a server in a thread."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


class Topics:
    """Topics, queues and dead-letter queues as the template makes them, under a name of their own."""

    def __init__(self, endpoint: str, *, max_receives: int = MAX_RECEIVES) -> None:
        self.sns, self.sqs = client(endpoint, "sns"), client(endpoint, "sqs")
        self.name = unique("jobs")
        self.arn = f"arn:aws:sns:{REGION}:{ACCOUNT}:{self.name}"
        for queue in QUEUES:
            dead = self._queue(f"{queue}{DEAD}", {})
            policy = {"deadLetterTargetArn": dead, "maxReceiveCount": max_receives}
            arn = self._queue(queue, {"RedrivePolicy": json.dumps(policy)})
            topic = self.sns.create_topic(Name=f"{self.name}-{queue}")["TopicArn"]
            self.sns.subscribe(
                TopicArn=topic,
                Protocol="sqs",
                Endpoint=arn,
                Attributes={"RawMessageDelivery": "true"},
            )

    def _queue(self, what: str, attributes: dict[str, str]) -> str:
        made = self.sqs.create_queue(QueueName=f"{self.name}-{what}", Attributes=attributes)
        found = self.sqs.get_queue_attributes(QueueUrl=made["QueueUrl"], AttributeNames=["QueueArn"])
        return str(found["Attributes"]["QueueArn"])

    def carrier(self) -> Carrier:
        """Our calls of them."""
        return Carrier(SnsTopics(self.arn, self.sns), self.sqs)

    def put(self, queue: str, body: str) -> None:
        """A body that comes by itself."""
        url = self.sqs.get_queue_url(QueueName=f"{self.name}-{queue}")["QueueUrl"]
        self.sqs.send_message(QueueUrl=url, MessageBody=body)

    def counts(self, queue: str) -> tuple[int, int]:
        """Visible, and in flight."""
        found = self.carrier().counts(queue)
        return found["visible"], found["in_flight"]

    def pass_time(self, seconds: float) -> None:
        """What is hidden comes back so much sooner."""
        queues: Any = sqs_backends[ACCOUNT][REGION].queues
        for name, queue in queues.items():
            if name.startswith(self.name):
                for message in queue._messages:
                    message.visible_at -= seconds * 1000.0

    def close(self) -> None:
        """End the connections."""
        self.sns.close()
        self.sqs.close()
