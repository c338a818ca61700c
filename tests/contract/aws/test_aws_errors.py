"""Every error that AWS's own models list for an operation we use is mapped, and none shows what was sent."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from router_core.adapters.aws import s3_archive, step_functions
from router_core.adapters.aws import secrets as aws_secrets
from router_core.adapters.aws.client import COMMON_FAULTS, CONNECT_S, Faults, aws_client, store_errors
from router_core.adapters.dynamodb import faults as dynamodb_faults
from router_core.errors import StaleStateError, StoreError

CANARY = "canary-5f1d0c"
SERVICES = {
    "dynamodb": (dynamodb_faults.OPERATIONS, dynamodb_faults.FAULTS),
    "s3": (s3_archive.OPERATIONS, s3_archive.FAULTS),
    "secretsmanager": (aws_secrets.OPERATIONS, aws_secrets.FAULTS),
    "stepfunctions": (step_functions.OPERATIONS, step_functions.FAULTS),
}


def modelled() -> list[tuple[str, str, str]]:
    """Service, operation and code of every error in the SDK's service models."""
    session = botocore.session.get_session()
    found = []
    for service, (operations, _) in SERVICES.items():
        model = session.get_service_model(service)
        for operation in operations:
            shapes: Any = model.operation_model(operation).error_shapes
            found += [(service, operation, shape.error_code) for shape in shapes]
    return found


def test_no_error_of_a_service_model_is_unmapped() -> None:
    assert len(modelled()) > 30
    unmapped = {(service, code) for service, _, code in modelled() if code not in SERVICES[service][1]}
    assert unmapped == set()


@pytest.mark.parametrize(("service", "operation", "code"), modelled())
def test_each_becomes_an_error_of_ours_that_fails_no_request(service: str, operation: str, code: str) -> None:
    faults: Faults = SERVICES[service][1]
    error = ClientError({"Error": {"Code": code, "Message": CANARY}}, operation)
    with pytest.raises(StoreError) as caught, store_errors("the store", faults):
        raise error
    assert type(caught.value) is faults[code][0]
    assert isinstance(caught.value, StaleStateError) == ("Conditional" in code)
    assert code in str(caught.value)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "NeverHeardOf", "Message": CANARY}}, "GetItem"),
        ClientError({}, "GetItem"),
        ReadTimeoutError(endpoint_url=f"http://{CANARY}"),
    ],
)
def test_an_error_in_no_table_is_a_store_error_too(error: Exception) -> None:
    with pytest.raises(StoreError) as caught, store_errors("the store", COMMON_FAULTS):
        raise error
    assert CANARY not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_mistake_of_ours_is_not_hidden() -> None:
    with pytest.raises(KeyError), store_errors("the store", COMMON_FAULTS):
        raise KeyError("x")


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    values = {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_REGION": "eu-north-1",
        "AWS_DEFAULT_REGION": "us-west-2",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_CONFIG_FILE": "/dev/null",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return values


def test_a_client_takes_endpoint_and_region_from_awss_variables_and_never_retries(
    variables: Mapping[str, str],
) -> None:
    made = aws_client("dynamodb")
    meta: Any = made.meta
    assert (meta.endpoint_url, meta.region_name) == (variables["AWS_ENDPOINT_URL"], "eu-north-1")
    assert meta.config.retries["total_max_attempts"] == 1
    assert meta.config.connect_timeout == CONNECT_S
    made.close()
    elsewhere = aws_client("s3", region="eu-west-1")
    assert elsewhere.meta.region_name == "eu-west-1"
    elsewhere.close()


def test_without_any_region_a_client_is_an_error_of_ours(
    variables: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(StoreError, match="without a region"):
        aws_client("dynamodb")


def test_the_sdks_debug_lines_which_hold_bodies_are_never_written(
    variables: Mapping[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    made = aws_client("dynamodb")
    with pytest.raises(StoreError), store_errors("the table", dynamodb_faults.FAULTS):
        made.get_item(TableName="tab", Key={"key": {"S": CANARY}})
    made.close()
    assert CANARY not in caplog.text


def test_importing_the_adapters_does_not_import_the_sdk() -> None:
    names = ("aws.client", "aws.secrets", "aws.s3_archive", "aws.s3_models", "dynamodb.decisions",
             "dynamodb.lookup", "dynamodb.ledger", "dynamodb.records", "dynamodb.state")  # fmt: skip
    imported = ", ".join(f"router_core.adapters.{name}" for name in names)
    code = (
        f"import sys, {imported}\n"
        "sys.exit(any(name.split('.')[0] in ('boto3', 'botocore') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
