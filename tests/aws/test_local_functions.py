"""The local AWS itself: functions that crash, overrun or print behave as on Lambda, so that what passes here means something."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest

from tests.localaws import address
from tests.localaws.function_logs import embedded_metrics
from tests.localaws.processes import running_server
from tests.localaws.rest.access import allows
from tests.localaws.rest.routes import match

CODE = """
import os, sys, time
calls = 0
class TierError(Exception): pass
def handler(event, context):
    global calls
    calls += 1
    print("said", event)
    if event.get("raise"): raise TierError("no tier")
    if event.get("end"): os._exit(3)
    if event.get("sleep"): time.sleep(event["sleep"])
    if event.get("answer") == "set": return {1, 2}
    return {"calls": calls, "left": context.get_remaining_time_in_millis(), "repo": any(
        p.rstrip("/").endswith("/tests/localaws") for p in sys.path)}
"""
ROLE = f"arn:aws:iam::{address.ACCOUNT}:role/any"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running_server() as running:
        client = address.client("iam", running)
        client.create_role(RoleName="any", AssumeRolePolicyDocument="{}")
        yield running


def function(
    url: str, name: str, code: str = CODE, handler: str = "index.handler", timeout_s: int = 1
) -> str:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("index.py", code)
    made = address.client("lambda", url).create_function(
        FunctionName=name,
        Runtime="python3.13",
        Role=ROLE,
        Handler=handler,
        Code={"ZipFile": packed.getvalue()},
        Timeout=timeout_s,
    )
    return str(made["FunctionArn"])


def invoke(url: str, name: str, **event: Any) -> tuple[Any, str | None, str]:
    """Payload, error kind and log of one call."""
    answer = address.client("lambda", url).invoke(
        FunctionName=name, Payload=json.dumps(event).encode(), LogType="Tail"
    )
    log = base64.b64decode(answer["LogResult"]).decode()
    return json.loads(answer["Payload"].read()), answer.get("FunctionError"), log


def test_a_process_is_kept_and_knows_only_what_was_deployed(url: str) -> None:
    function(url, "kept")
    first, _, log = invoke(url, "kept", x=1)
    second, error, _ = invoke(url, "kept")
    assert (first["calls"], second["calls"], error) == (1, 2, None)
    assert 0 < second["left"] <= 1_000
    assert second["repo"] is False
    assert "said {'x': 1}" in log


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({"raise": True}, "TierError"),
        ({"end": True}, "Runtime.ExitError"),
        ({"answer": "set"}, "Runtime.MarshalError"),
    ],
)
def test_errors_have_the_names_that_a_state_machine_compares(
    url: str, event: dict[str, Any], kind: str
) -> None:
    name = f"fails-{kind.replace('.', '-')}"
    function(url, name)
    payload, error, _ = invoke(url, name, **event)
    assert (payload["errorType"], error) == (kind, "Unhandled")
    again, error, _ = invoke(url, name)
    assert error is None, again


def test_a_function_that_overruns_is_ended(url: str) -> None:
    function(url, "slow")
    invoke(url, "slow")
    payload, _, _ = invoke(url, "slow", sleep=30)
    assert payload["errorType"] == "Sandbox.Timedout"
    assert "timed out after 1.00 seconds" in payload["errorMessage"]
    assert invoke(url, "slow")[0]["calls"] == 1, "another process took over"


@pytest.mark.parametrize(
    ("handler", "kind"),
    [("nowhere.handler", "Runtime.ImportModuleError"), ("index.missing", "Runtime.HandlerNotFound")],
)
def test_a_handler_that_is_not_there_is_named(url: str, handler: str, kind: str) -> None:
    name = handler.replace(".", "-")
    function(url, name, handler=handler)
    assert invoke(url, name)[0]["errorType"] == kind


def test_embedded_metrics_are_read_from_the_log() -> None:
    directive = {"Namespace": "N", "Dimensions": [["Env"], []], "Metrics": [{"Name": "M", "Unit": "Count"}]}
    line = json.dumps({"_aws": {"CloudWatchMetrics": [directive]}, "Env": "dev", "M": [1, 2]})
    [(namespace, data)] = embedded_metrics(f'plain\n{line}\n{{"CloudWatchMetrics" broken')
    assert namespace == "N"
    assert [(one["Values"], one["Dimensions"]) for one in data] == [
        ([1.0, 2.0], [{"Name": "Env", "Value": "dev"}]),
        ([1.0, 2.0], []),
    ]


@pytest.mark.parametrize(
    ("template", "path", "parameters"),
    [
        ("/inference", "/inference", {}),
        ("/inference/{id}", "/inference/req_1", {"id": "req_1"}),
        ("/v1/{proxy+}", "/v1/chat/completions", {"proxy": "chat/completions"}),
        ("/v1/{proxy+}", "/v1", None),
        ("/inference", "/inference/req_1", None),
    ],
)
def test_paths_fit_as_in_api_gateway(template: str, path: str, parameters: dict[str, str] | None) -> None:
    assert match(template, path) == parameters


@pytest.mark.parametrize(
    ("effects", "allowed"), [(["Allow"], True), (["Allow", "Deny"], False), (["Deny"], False), ([], False)]
)
def test_a_policy_allows_what_nothing_denies(effects: list[str], allowed: bool) -> None:
    policy = {"Statement": [{"Effect": effect, "Resource": "arn:api/dev/*"} for effect in effects]}
    assert allows(policy, "arn:api/dev/POST/inference") is allowed
    assert not allows({"Statement": [{"Effect": "Allow", "Resource": "arn:api/prod/*"}]}, "arn:api/dev/GET/x")
