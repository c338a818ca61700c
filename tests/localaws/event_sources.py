"""Carries records from streams and queues to functions: event source mappings as Lambda runs them.

One thread per shard or queue. A batch that fails is halved, retried and finally reported to the on-failure destination,
in the mapping's own settings; a shard does not go on before its batch is done with.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from moto.awslambda.models import EventSourceMapping, LambdaBackend, LambdaFunction
from moto.kinesis.models import kinesis_backends
from moto.sqs.models import sqs_backends

from tests.localaws import address
from tests.localaws.functions import Result
from tests.localaws.invocation import call, send
from tests.localaws.replacing import replace

POLL_S: Final = 0.1
RETRY_S: Final = 0.1
Records = list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """One mapping and its function."""

    settings: EventSourceMapping
    backend: LambdaBackend

    @property
    def function(self) -> LambdaFunction:
        """The function as it is deployed now."""
        return self.backend.get_function(self.settings.function_arn)

    @property
    def reports_items(self) -> bool:
        """True when the function names the records that failed."""
        return "ReportBatchItemFailures" in (self.settings.function_response_types or [])

    def run(self, records: Records) -> tuple[Result, list[str]]:
        """Call the function; also the identifiers it says have failed."""
        result = call(self.function, {"Records": records})
        answer = None if result.failed else json.loads(result.payload)
        failures = (answer or {}).get("batchItemFailures", []) if self.reports_items else []
        return result, [failure["itemIdentifier"] for failure in failures]


class ShardDelivery:
    """What happens to the batches of one shard."""

    def __init__(self, mapping: Mapping, shard: str) -> None:
        self._mapping, self._shard = mapping, shard
        settings = mapping.settings
        limit = settings.max_retry_attempts
        self._retries = -1 if limit is None else int(limit)
        self._bisects = bool(settings.bisect_on_error)

    def deliver(self, records: Records) -> None:
        """Return when every record was accepted or reported."""
        waiting = [(records, self._retries)]
        while waiting:
            batch, left = waiting.pop(0)
            result, failed = self._mapping.run(batch)
            if not result.failed and not failed:
                continue
            rest = _from_first(batch, failed) if failed else batch
            if self._bisects and len(rest) > 1:
                middle = len(rest) // 2
                waiting[:0] = [(rest[:middle], left), (rest[middle:], left)]
            elif left == 0:
                self._report(rest, result)
            else:
                time.sleep(RETRY_S)
                waiting.insert(0, (rest, left - 1))

    def _report(self, records: Records, result: Result) -> None:
        configured = (self._mapping.settings.destination_config or {}).get("OnFailure", {}).get("Destination")
        if not configured:
            return
        numbers = [record["kinesis"]["sequenceNumber"] for record in records]
        message: dict[str, Any] = {
            "requestContext": {
                "requestId": result.request_id,
                "functionArn": self._mapping.function.function_arn,
                "condition": "RetryAttemptsExhausted",
                "approximateInvokeCount": self._retries + 1,
            },
            "responseContext": {
                "statusCode": 200,
                "executedVersion": "$LATEST",
                "functionError": "Unhandled" if result.failed else None,
            },
            "version": "1.0",
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()),
            "KinesisBatchInfo": {
                "shardId": self._shard,
                "startSequenceNumber": numbers[0],
                "endSequenceNumber": numbers[-1],
                "batchSize": len(records),
                "streamArn": self._mapping.settings.event_source_arn,
            },
        }
        if configured.split(":")[2] == "s3":
            message["payload"] = json.dumps({"Records": records})
        send(configured, message)


def _from_first(records: Records, failed: list[str]) -> Records:
    """What Lambda retries: the first failed record and all behind it; all of them for an unknown identifier."""
    numbers = [record["kinesis"]["sequenceNumber"] for record in records]
    known = [numbers.index(number) for number in failed if number in numbers]
    return records[min(known) :] if known else records


def follow_stream(mapping: Mapping, stopped: threading.Event) -> None:
    """Read every shard of the mapping's stream until `stopped`."""
    # By name: moto's iterators of streams asked for by ARN lead nowhere.
    name = mapping.settings.event_source_arn.rsplit("/", 1)[1]
    shards = address.client("kinesis").list_shards(StreamName=name)["Shards"]
    for shard in shards:
        iterator = address.client("kinesis").get_shard_iterator(
            StreamName=name,
            ShardId=shard["ShardId"],
            ShardIteratorType=mapping.settings.starting_position or "TRIM_HORIZON",
        )["ShardIterator"]
        threading.Thread(
            target=_follow_shard, args=(mapping, shard["ShardId"], iterator, stopped), daemon=True
        ).start()


def _follow_shard(mapping: Mapping, shard: str, iterator: str, stopped: threading.Event) -> None:
    delivery = ShardDelivery(mapping, shard)
    while not stopped.is_set():
        got = address.client("kinesis").get_records(ShardIterator=iterator, Limit=mapping.settings.batch_size)
        iterator = got["NextShardIterator"]
        if got["Records"] and mapping.settings.enabled:
            delivery.deliver([_stream_record(mapping, shard, record) for record in got["Records"]])
        else:
            stopped.wait(POLL_S)


def _stream_record(mapping: Mapping, shard: str, record: dict[str, Any]) -> dict[str, Any]:
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": record["PartitionKey"],
            "sequenceNumber": record["SequenceNumber"],
            "data": base64.b64encode(record["Data"]).decode(),
            "approximateArrivalTimestamp": record["ApproximateArrivalTimestamp"].timestamp(),
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"{shard}:{record['SequenceNumber']}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": mapping.function.role,
        "awsRegion": address.REGION,
        "eventSourceARN": mapping.settings.event_source_arn,
    }


def follow_queue(mapping: Mapping, stopped: threading.Event) -> None:
    """Take messages from the mapping's queue until `stopped`; what failed becomes visible again by its own timeout."""
    sqs = address.client("sqs")
    url = sqs.get_queue_url(QueueName=mapping.settings.event_source_arn.rsplit(":", 1)[1])["QueueUrl"]
    while not stopped.is_set():
        got = sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=min(10, mapping.settings.batch_size),
            WaitTimeSeconds=1,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        ).get("Messages", [])
        if not got:
            continue
        result, failed = mapping.run([_queue_record(mapping, message) for message in got])
        for message in got:
            if not result.failed and message["MessageId"] not in failed:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def _queue_record(mapping: Mapping, message: dict[str, Any]) -> dict[str, Any]:
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {
            name: {"dataType": value["DataType"], "stringValue": value.get("StringValue")}
            for name, value in message.get("MessageAttributes", {}).items()
        },
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": mapping.settings.event_source_arn,
        "awsRegion": address.REGION,
    }


_FOLLOW: Final[dict[str, Callable[[Mapping, threading.Event], None]]] = {
    "kinesis": follow_stream,
    "sqs": follow_queue,
}


def _taken_from_moto(settings: EventSourceMapping) -> None:
    """Take the mapping off the stream or queue, where moto would call the function once per record by itself."""
    sources: list[Any] = [
        *sqs_backends[address.ACCOUNT][address.REGION].queues.values(),
        *kinesis_backends[address.ACCOUNT][address.REGION].streams.values(),
    ]
    for registered in (source.lambda_event_source_mappings for source in sources):
        for key in [key for key, mapping in registered.items() if mapping is settings]:
            del registered[key]


def install() -> None:
    """Follow every mapping that is made from now on."""
    create = LambdaBackend.create_event_source_mapping
    delete = LambdaBackend.delete_event_source_mapping
    stops: dict[str, threading.Event] = {}

    def start(backend: LambdaBackend, spec: dict[str, Any]) -> EventSourceMapping:
        settings = create(backend, spec)
        follow = _FOLLOW.get(settings.event_source_arn.split(":")[2])
        if follow is not None:
            _taken_from_moto(settings)
            stops[settings.uuid] = threading.Event()
            mapping = Mapping(settings=settings, backend=backend)
            threading.Thread(target=follow, args=(mapping, stops[settings.uuid]), daemon=True).start()
        return settings

    def stop(backend: LambdaBackend, uuid: str) -> EventSourceMapping | None:
        if uuid in stops:
            stops.pop(uuid).set()
        return delete(backend, uuid)

    replace(LambdaBackend, "create_event_source_mapping", start)
    replace(LambdaBackend, "delete_event_source_mapping", stop)
