"""The Bedrock stand-in refuses what Bedrock refuses: bad signatures, wrong bodies, broken turn order."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, EventStreamError

from gateway.sandbox.converse_rules import RequestRefusedError, check_converse
from gateway.sandbox.processes import StandIns
from gateway.sandbox.signature import AwsKeys, SignatureError, check_signature
from gateway.sandbox.wire import Request
from tests.unit.sandbox.sending import Answer, post

MODEL = "amazon.nova-micro-v1:0"
PATH = "/model/amazon.nova-micro-v1%3A0/converse"
HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": [{"text": "Hello"}]}]}


def signed(standins: StandIns, body: bytes, *, secret: str | None = None) -> Mapping[str, str]:
    request = AWSRequest(
        method="POST",
        url=standins.bedrock_url + PATH,
        data=body,
        headers={"content-type": "application/json"},
    )
    credentials = Credentials(standins.access_key_id, secret or standins.secret_access_key)
    SigV4Auth(credentials, "bedrock", "eu-central-1").add_auth(request)
    return dict(request.headers.items())


def send(standins: StandIns, body: bytes, headers: Mapping[str, str]) -> Answer:
    return post(standins.bedrock_url + PATH, body, headers)


def test_a_correct_signature_of_another_signer_call_is_accepted(standins: StandIns) -> None:
    body = json.dumps(HELLO).encode()
    assert send(standins, body, signed(standins, body)).status == 200


def test_a_wrong_secret_is_403_in_the_aws_error_form(standins: StandIns) -> None:
    body = json.dumps(HELLO).encode()
    answer = send(standins, body, signed(standins, body, secret="wrong"))
    assert (answer.status, answer.headers["x-amzn-errortype"]) == (403, "InvalidSignatureException")


def test_a_body_changed_after_signing_is_403(standins: StandIns) -> None:
    body = json.dumps(HELLO).encode()
    assert send(standins, body + b" ", signed(standins, body)).status == 403


def test_a_body_hash_header_that_does_not_fit_the_body_is_403(standins: StandIns) -> None:
    body = json.dumps(HELLO).encode()
    headers = {**signed(standins, body), "x-amz-content-sha256": "UNSIGNED-PAYLOAD"}
    assert send(standins, body, headers).status == 403


def test_an_unsigned_request_is_403(standins: StandIns) -> None:
    answer = send(standins, b"{}", {})
    assert (answer.status, answer.headers["x-amzn-errortype"]) == (403, "MissingAuthenticationTokenException")


def test_an_unknown_access_key_is_403(standins: StandIns) -> None:
    body = json.dumps(HELLO).encode()
    headers = dict(signed(standins, body))
    headers["Authorization"] = headers["Authorization"].replace(standins.access_key_id, "AKIAOTHER")
    answer = send(standins, body, headers)
    assert (answer.status, answer.headers["x-amzn-errortype"]) == (403, "UnrecognizedClientException")


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_date_more_than_five_minutes_off_is_refused(standins: StandIns, minutes: int) -> None:
    body = json.dumps(HELLO).encode()
    headers = {name.lower(): value for name, value in signed(standins, body).items()}
    headers["host"] = standins.bedrock_url.removeprefix("http://")
    request = Request(method="POST", path=PATH, raw_path=PATH, query="", headers=headers, body=body)
    keys = AwsKeys(access_key_id=standins.access_key_id, secret_access_key=standins.secret_access_key)
    now = datetime.now(UTC)
    check_signature(request, keys, now)
    with pytest.raises(SignatureError, match="expired"):
        check_signature(request, keys, now + timedelta(minutes=minutes))


def test_an_unknown_field_is_400_and_named(standins: StandIns) -> None:
    body = json.dumps({**HELLO, "bogus": 1}).encode()
    answer = send(standins, body, signed(standins, body))
    assert (answer.status, answer.headers["x-amzn-errortype"]) == (400, "ValidationException")
    assert "bogus" in answer.json["message"]


def asking(*turns: tuple[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": content} for role, content in turns]}


TEXT = [{"text": "x"}]
RESULT = [{"toolResult": {"toolUseId": "t", "content": []}}]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "empty"),
        (asking(("user", "text")), "messages"),
        (asking(("robot", TEXT)), "role"),
        ({**HELLO, "inferenceConfig": {"temperature": 3}}, "temperature"),
        ({**HELLO, "inferenceConfig": {"max_tokens": 3}}, "max_tokens"),
        (asking(("assistant", TEXT)), "start with a user"),
        (asking(("user", TEXT), ("user", TEXT)), "alternate"),
        (asking(("user", [{"text": " "}])), "blank"),
        (asking(("user", TEXT), ("assistant", TEXT), ("user", RESULT)), "toolUseId"),
        (asking(("user", [{"text": "x", "image": {}}])), "content"),
        ({**HELLO, "modelId": "x"}, "modelId"),
    ],
)
def test_a_body_that_breaks_a_rule_is_refused_by_name(body: dict[str, Any], named: str) -> None:
    with pytest.raises(RequestRefusedError, match=named):
        check_converse("Converse", MODEL, body)


def test_a_prefix_that_ends_in_a_blank_is_refused_for_anthropic_models_only() -> None:
    body = asking(("user", TEXT), ("assistant", [{"text": "so far "}]))
    check_converse("ConverseStream", MODEL, body)
    with pytest.raises(RequestRefusedError, match="trailing whitespace"):
        check_converse("ConverseStream", "anthropic.claude-haiku-4-5-v1:0", body)


def test_deep_nesting_is_refused_and_harms_nothing(standins: StandIns) -> None:
    deep = b'{"messages": ' + b"[" * 900 + b"]" * 900 + b"}"
    assert send(standins, deep, signed(standins, deep)).status == 400
    deep = b'{"a":' * 700 + b"1" + b"}" * 700
    body = json.dumps({**HELLO, "additionalModelRequestFields": json.loads(deep)}).encode()
    assert send(standins, body, signed(standins, body)).status in {200, 400}


def test_bytes_that_are_no_json_are_400(standins: StandIns) -> None:
    for body in (b"{", b"[]", b"\xff", b""):
        assert send(standins, body, signed(standins, body)).status == 400


def test_an_image_that_is_not_base64_is_400(standins: StandIns) -> None:
    for data, status in ((base64.b64encode(b"png").decode(), 200), ("***", 400)):
        content = [{"text": "x"}, {"image": {"format": "png", "source": {"bytes": data}}}]
        body = json.dumps(asking(("user", content))).encode()
        assert send(standins, body, signed(standins, body)).status == status


def test_an_impossible_model_id_is_the_clients_error(bedrock: Any) -> None:
    with pytest.raises(bedrock.exceptions.ValidationException, match="model identifier"):
        bedrock.converse(modelId="nonsense", messages=HELLO["messages"])


@pytest.mark.parametrize(
    ("code", "status"),
    [("ThrottlingException", 429), ("ServiceUnavailableException", 503), ("ModelTimeoutException", 408),
     ("ModelErrorException", 424), ("AccessDeniedException", 403), ("InternalServerException", 500)],
)  # fmt: skip
def test_a_scripted_error_reaches_the_client_as_its_typed_exception(
    standins: StandIns, bedrock: Any, code: str, status: int
) -> None:
    standins.script(standins.bedrock_url, {"steps": {MODEL: [{"error": code, "retry_after": 7}]}})
    with pytest.raises(ClientError) as caught:
        bedrock.converse(modelId=MODEL, messages=HELLO["messages"])
    assert type(caught.value) is getattr(bedrock.exceptions, code)
    meta = caught.value.response["ResponseMetadata"]
    assert (meta["HTTPStatusCode"], meta["HTTPHeaders"]["retry-after"]) == (status, "7")
    assert bedrock.converse(modelId=MODEL, messages=HELLO["messages"])["stopReason"] == "end_turn"


def test_throttling_inside_a_stream_arrives_after_the_tokens_before_it(
    standins: StandIns, bedrock: Any
) -> None:
    step = {"error": "ThrottlingException", "error_after": 3}
    standins.script(standins.bedrock_url, {"steps": {"*": [step]}})
    seen: list[Any] = []
    stream = bedrock.converse_stream(modelId=MODEL, messages=HELLO["messages"])["stream"]
    with closing(stream), pytest.raises(EventStreamError, match="throttlingException"):
        seen.extend(stream)
    assert sum("contentBlockDelta" in event for event in seen) == 3
