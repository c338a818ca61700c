"""The calls of SNS and SQS: publish notes, receive, keep, end and bury them. Blocking; callers bring threads.

Which queue a note goes to follows from one name: topic `NAME-inference` feeds queue `NAME-inference`, whose dead messages lie
in `NAME-inference-dlq`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from router_core.adapters.aws.client import store_errors
from router_core.adapters.sqs.notes import Note, Received, body_of
from router_core.adapters.sqs.topics import AT_ONCE, FAULTS, Topics
from router_core.errors import StoreError
from router_core.jobs.records import Parcel
from router_core.record import dataclass

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

DEAD: Final = "-dlq"
_LONGEST_S: Final = 43_200
GONE: Final = frozenset(("ReceiptHandleIsInvalid", "MessageNotInflight", "InvalidParameterValue"))
"""What is said of a receipt whose time is over: the message belongs to another by now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadNote:
    """A body among the dead ones, with the reason and the tries that were written beside it."""

    body: str
    receipt: str
    reason: str | None
    received: int


class Carrier:
    """The queues of one name, fed by its topics."""

    def __init__(self, topics: Topics, sqs: SQSClient) -> None:
        self._topics, self._sqs = topics, sqs
        self._urls: dict[str, str] = {}

    def publish(self, parcels: Sequence[Parcel]) -> list[Parcel]:
        """Hand parcels over, the dead ones to where the dead lie; those that were taken. Raises `StoreError` when none was."""
        taken: list[Parcel] = []
        for queue in sorted({one.queue for one in parcels}):
            living = [one for one in parcels if one.queue == queue and not one.dead]
            for start in range(0, len(living), AT_ONCE):
                taken += self._publish(queue, living[start : start + AT_ONCE])
        for parcel in parcels:
            if parcel.dead:
                self.bury(parcel.queue, _body(parcel), parcel.reason or "", parcel.tries)
                taken.append(parcel)
        return taken

    def _publish(self, queue: str, parcels: Sequence[Parcel]) -> list[Parcel]:
        taken = self._topics.publish(queue, [_body(one) for one in parcels])
        return [parcels[place] for place in taken]

    def receive(self, queue: str, most: int, wait_s: int, hidden_s: int) -> list[Received]:
        """Up to ten messages, hidden from others for so long; waits for the first."""
        with store_errors("the queue", FAULTS):
            answer = self._sqs.receive_message(
                QueueUrl=self.url(queue),
                MaxNumberOfMessages=max(1, min(AT_ONCE, most)),
                WaitTimeSeconds=wait_s,
                VisibilityTimeout=min(hidden_s, _LONGEST_S),
            )
        return [
            Received(body=one["Body"], receipt=one["ReceiptHandle"]) for one in answer.get("Messages", [])
        ]

    def hide(self, queue: str, receipt: str, hidden_s: int) -> None:
        """Hidden for so long from now, 0: not at all. What is another's by now is left alone."""
        try:
            with store_errors("the queue", FAULTS):
                self._sqs.change_message_visibility(
                    QueueUrl=self.url(queue),
                    ReceiptHandle=receipt,
                    VisibilityTimeout=min(hidden_s, _LONGEST_S),
                )
        except StoreError as error:
            if not any(f"({code})" in str(error) for code in GONE):
                raise

    def end(self, queue: str, receipts: Iterable[str]) -> None:
        """Delete messages. One whose time was over comes again, and finds nothing to do."""
        left = list(receipts)
        for start in range(0, len(left), AT_ONCE):
            entries: list[Any] = [
                {"Id": str(n), "ReceiptHandle": one} for n, one in enumerate(left[start : start + AT_ONCE])
            ]
            with store_errors("the queue", FAULTS):
                self._sqs.delete_message_batch(QueueUrl=self.url(queue), Entries=entries)

    def bury(self, queue: str, body: str, reason: str, tries: int) -> None:
        """Put a body among the dead ones of its queue, with why."""
        attributes: dict[str, Any] = {"tries": {"DataType": "Number", "StringValue": str(tries)}}
        if reason:
            attributes["reason"] = {"DataType": "String", "StringValue": reason}
        with store_errors("the queue", FAULTS):
            self._sqs.send_message(
                QueueUrl=self.url(queue + DEAD), MessageBody=body, MessageAttributes=attributes
            )

    def dead(self, queue: str, hidden_s: int) -> list[DeadNote]:
        """Some of the dead ones, hidden from other lookers for so long."""
        with store_errors("the queue", FAULTS):
            answer = self._sqs.receive_message(
                QueueUrl=self.url(queue + DEAD),
                MaxNumberOfMessages=AT_ONCE,
                WaitTimeSeconds=0,
                VisibilityTimeout=hidden_s,
                MessageAttributeNames=["reason"],
                MessageSystemAttributeNames=["ApproximateReceiveCount"],
            )
        return [_dead(one) for one in answer.get("Messages", [])]

    def counts(self, queue: str) -> dict[str, int]:
        """About how many are visible, in flight and delayed."""
        names = {
            "visible": "ApproximateNumberOfMessages",
            "in_flight": "ApproximateNumberOfMessagesNotVisible",
            "delayed": "ApproximateNumberOfMessagesDelayed",
        }
        wanted: list[Any] = list(names.values())
        with store_errors("the queue", FAULTS):
            found: Any = self._sqs.get_queue_attributes(QueueUrl=self.url(queue), AttributeNames=wanted)
        return {name: int(found["Attributes"].get(theirs, 0)) for name, theirs in names.items()}

    def url(self, queue: str) -> str:
        """The queue's address, asked for once."""
        if queue not in self._urls:
            with store_errors("the queue", FAULTS):
                found = self._sqs.get_queue_url(QueueName=f"{self._topics.name}-{queue}")
            self._urls[queue] = found["QueueUrl"]
        return self._urls[queue]


def _body(parcel: Parcel) -> str:
    return body_of(Note(key=parcel.key, queue=parcel.queue, request_id=parcel.request_id))


def _dead(message: Any) -> DeadNote:
    reason = message.get("MessageAttributes", {}).get("reason", {}).get("StringValue")
    return DeadNote(
        body=message["Body"],
        receipt=message["ReceiptHandle"],
        reason=reason,
        received=int(message.get("Attributes", {}).get("ApproximateReceiveCount", 0)),
    )
