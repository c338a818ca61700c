"""SageMaker's own errors, and a container's stream in frames, compared with the service's description in botocore."""

from __future__ import annotations

import orjson
import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel, StructureShape

from gateway.sandbox.eventstream import exception, frame
from router_core.adapters.models.sagemaker import FramedChat, sagemaker_url
from router_core.adapters.wire.aws_errors import ERRORS, answer_error
from router_core.errors import (
    ConfigurationError,
    RefusedError,
    TargetError,
    ThrottledError,
    UnavailableError,
)
from tests.unit.adapters_http.test_openai_wire import call

SERVICE = ServiceModel(Loader().load_service_model("sagemaker-runtime", "service-2"), "sagemaker-runtime")
PART = {":event-type": "PayloadPart", ":message-type": "event"}


def test_every_error_the_service_declares_is_mapped() -> None:
    declared = {shape.name for shape in SERVICE.error_shapes}
    assert len(declared) > 4
    assert declared - ERRORS.keys() == set()


def test_the_stream_s_members_are_the_ones_we_read() -> None:
    stream = SERVICE.shape_for("ResponseStream")
    assert isinstance(stream, StructureShape)
    assert set(stream.members) == {"PayloadPart", "ModelStreamError", "InternalStreamFailure"}


@pytest.mark.parametrize(
    ("original", "kind"),
    [(429, ThrottledError), (400, RefusedError), (500, UnavailableError), (503, UnavailableError)],
)
def test_what_the_container_said_decides_who_is_to_blame(original: int, kind: type[TargetError]) -> None:
    body = {"OriginalStatusCode": original, "OriginalMessage": "too long", "Message": "arn:aws:x"}
    error = answer_error(424, {b"x-amzn-errortype": b"ModelError"}, orjson.dumps(body))
    assert type(error) is kind
    assert "arn:" not in str(error)


def test_an_exception_inside_a_stream_keeps_what_came_before() -> None:
    reader = FramedChat(call(), {})
    text = b'data: {"choices": [{"index": 0, "delta": {"content": "w0"}}]}\n\n'
    chunks = reader.feed(frame(PART, text) + exception("ModelStreamError", "container died"))
    assert [chunk.text for chunk in chunks] == ["w0"]
    assert isinstance(reader.error, UnavailableError)


def test_events_may_be_cut_anywhere_between_frames() -> None:
    reader = FramedChat(call(), {})
    text = b'data: {"choices": [{"index": 0, "delta": {"content": "w0"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
    framed = b"".join(frame(PART, text[i : i + 7]) for i in range(0, len(text), 7))
    chunks = [chunk for i in range(0, len(framed), 11) for chunk in reader.feed(framed[i : i + 11])]
    assert "".join(chunk.text for chunk in chunks) == "w0"
    assert (reader.done, reader.finished, reader.error) == (True, True, None)


def test_a_region_that_cannot_be_is_refused() -> None:
    assert sagemaker_url("eu-central-1") == "https://runtime.sagemaker.eu-central-1.amazonaws.com"
    with pytest.raises(ConfigurationError):
        sagemaker_url("eu.evil.example/")
