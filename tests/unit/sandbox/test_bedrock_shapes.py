"""What the Bedrock stand-in answers has the shapes that the service's own description promises."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from gateway.sandbox.converse import converse_answer, converse_events
from gateway.sandbox.faults import Step
from gateway.sandbox.pacing import Pace
from gateway.sandbox.replies import Question, Reply, Tool, reply_to
from tests.unit.sandbox.frames import read_frames

SERVICE = ServiceModel(Loader().load_service_model("bedrock-runtime", "service-2"))
TOOL = Tool(name="get_weather", schema={"type": "object", "properties": {"city": {"type": "string"}}})
REPLIES = [
    reply_to(Question(model="m", text="hello")),
    reply_to(Question(model="m", text="hello", max_tokens=2)),
    reply_to(Question(model="m", text="hello", stop=("local",))),
    reply_to(Question(model="m", text="weather", tools=(TOOL,))),
    reply_to(Question(model="m", text="hello", forced_text="")),
]


def check(value: Any, shape: Any) -> None:
    report = ParamValidator().validate(value, shape)
    assert not report.has_errors(), report.generate_report()


@pytest.mark.parametrize("reply", REPLIES, ids=lambda reply: f"{reply.finish}-{reply.tokens}")
def test_answers_have_the_output_shape_of_converse(reply: Reply) -> None:
    shape: Any = SERVICE.operation_model("Converse").output_shape
    answer = converse_answer(reply, 7, 1)
    check(answer, shape)
    assert answer["stopReason"] in shape.members["stopReason"].metadata["enum"]


@pytest.mark.parametrize("reply", REPLIES, ids=lambda reply: f"{reply.finish}-{reply.tokens}")
async def test_events_have_the_shapes_of_the_stream(reply: Reply) -> None:
    events: Any = SERVICE.operation_model("ConverseStream").output_shape
    pace = Pace(ttft_ms=0, token_ms=0)
    stream = b"".join([frame async for frame in converse_events(reply, 7, pace, Step())])
    for headers, payload in read_frames(stream):
        assert headers[":message-type"] == "event"
        assert headers[":content-type"] == "application/json"
        padding = payload.pop("p")
        assert padding
        check(payload, events.members["stream"].members[headers[":event-type"]])


async def test_a_scripted_error_is_an_exception_event_that_the_service_knows() -> None:
    events: Any = SERVICE.operation_model("ConverseStream").output_shape
    step = Step(error="ModelStreamErrorException", error_after=0)
    stream = b"".join([f async for f in converse_events(REPLIES[0], 7, Pace(ttft_ms=0, token_ms=0), step)])
    headers, payload = read_frames(stream)[-1]
    assert headers[":message-type"] == "exception"
    check(payload, events.members["stream"].members[headers[":exception-type"]])
