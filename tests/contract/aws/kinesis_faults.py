"""A Kinesis that refuses: a client whose answers are checked against botocore's own shapes, scripted fault by fault.

The local AWS never throttles. This stands in for the client alone, so that a fault is exact and takes no time; each
request and answer is validated as the real client would.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import botocore.session
import orjson
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

SERVICE = botocore.session.get_session().get_service_model("kinesis")
PUT = SERVICE.operation_model("PutRecords")
THROTTLED = "ProvisionedThroughputExceededException"

Fault = Callable[[Sequence[dict[str, Any]]], "set[int] | Exception"]
"""Given the records of one call: the indexes that fail, or what the whole call raises."""


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "PutRecords")


@dataclass
class FaultyKinesis:
    """`script` holds a fault per call, then `always` for ever. Keeps what it accepted, in order."""

    script: list[Fault] = field(default_factory=list)
    always: Fault | None = None
    code: str = THROTTLED
    gate: threading.Event | None = None
    accepted: list[dict[str, Any]] = field(default_factory=list)
    calls: list[int] = field(default_factory=list)
    called: threading.Event = field(default_factory=threading.Event)

    def put_records(self, **request: Any) -> dict[str, Any]:
        checked(request, PUT.input_shape)
        records = request["Records"]
        assert len(records) <= 500
        sizes = [len(row["Data"]) + len(row["PartitionKey"].encode()) for row in records]
        assert sum(sizes) <= 5 * 2**20 and max(sizes) <= 2**20
        self.calls.append(len(records))
        self.called.set()
        if self.gate is not None:
            self.gate.wait(30.0)
        fault = self.script.pop(0) if self.script else self.always
        failing = fault(records) if fault else set()
        if isinstance(failing, Exception):
            raise failing
        return self._answer(records, failing)

    def _answer(self, records: Sequence[dict[str, Any]], failing: set[int]) -> dict[str, Any]:
        rows: list[dict[str, Any]] = []
        for i, row in enumerate(records):
            if i in failing:
                rows.append({"ErrorCode": self.code, "ErrorMessage": "slow down"})
            else:
                self.accepted.append(orjson.loads(row["Data"]))
                rows.append({"SequenceNumber": str(len(self.accepted)), "ShardId": "shardId-000000000000"})
        answer = {"FailedRecordCount": len(failing), "Records": rows}
        # The model says at least 1, the service says 0 when all went well.
        checked({**answer, "FailedRecordCount": max(1, len(failing))}, PUT.output_shape)
        return answer


def checked(body: dict[str, Any], shape: Any) -> None:
    report = ParamValidator().validate(body, shape)
    assert not report.has_errors(), report.generate_report()
