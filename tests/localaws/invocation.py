"""Makes moto's Lambda run functions: every call of one, by whichever service, ends in the pool of processes.

An asynchronous call is retried twice like on AWS, after seconds instead of minutes, and what still fails goes to the
function's on-failure destination.
"""

from __future__ import annotations

import base64
import json
import threading
import uuid
from collections.abc import Mapping
from typing import Any, Final

from moto.awslambda.exceptions import LambdaClientError
from moto.awslambda.models import LambdaFunction

from tests.localaws import address
from tests.localaws.function_logs import write_log
from tests.localaws.functions import MAX_PAYLOAD_BYTES, Deployed, FunctionPool, Result
from tests.localaws.replacing import replace

ASYNC_RETRY_S: Final = (0.5, 1.0)
_TOO_LARGE: Final = json.dumps(
    {
        "errorMessage": f"Response payload size exceeded maximum allowed payload size ({MAX_PAYLOAD_BYTES} bytes).",
        "errorType": "Function.ResponseSizeTooLarge",
    }
)
POOL: Final = FunctionPool()
REFUSALS: Final[dict[str, int]] = {}
"""Calls of a function that are still to be refused for want of capacity: set by a test."""


class ThrottledError(LambdaClientError):
    """Lambda has no room for the call; none of the function's code runs."""

    code = 429

    def __init__(self) -> None:
        super().__init__("TooManyRequestsException", "Rate Exceeded.")


def call(function: LambdaFunction, event: Any, trace: str | None = None) -> Result:
    """Run `event` and write the function's log."""
    result = POOL.call(deployed(function), event, trace)
    write_log(function.function_name, str(function.version), result)
    if len(result.payload) > MAX_PAYLOAD_BYTES:
        return Result(
            payload=_TOO_LARGE,
            failed=True,
            log=result.log,
            request_id=result.request_id,
            duration_ms=result.duration_ms,
        )
    return result


def deployed(function: LambdaFunction) -> Deployed:
    """The function as moto keeps it, in our terms."""
    return Deployed(
        arn=function.function_arn,
        name=function.function_name,
        handler=str(function.handler),
        memory_mb=int(function.memory_size),
        timeout_s=float(function.timeout),
        version=str(function.version),
        code=function.code_bytes,
        code_sha256=function.code_sha_256,
        variables=tuple(sorted((k, str(v)) for k, v in (function.environment_vars or {}).items())),
    )


def invoke(
    function: LambdaFunction, body: Any, request_headers: Mapping[str, str], response_headers: dict[str, Any]
) -> bytes:
    """What moto's Lambda service calls for every invocation. The response headers are moto's to send."""
    if REFUSALS.get(function.function_name, 0) > 0:
        REFUSALS[function.function_name] -= 1
        raise ThrottledError
    event = json.loads(body) if body else {}
    headers = {name.lower(): value for name, value in dict(request_headers).items()}
    kind = headers.get("x-amz-invocation-type", "RequestResponse")
    trace = headers.get("x-amzn-trace-id")
    if kind == "DryRun":
        return b""
    if kind == "Event":
        threading.Thread(target=_call_later, args=(function, event, trace), daemon=True).start()
        return b""
    result = call(function, event, trace)
    if result.failed:
        response_headers["x-amz-function-error"] = "Unhandled"
    response_headers["x-amz-log-result"] = base64.b64encode(result.log[-4_096:].encode()).decode()
    return result.payload.encode()


def _call_later(function: LambdaFunction, event: Any, trace: str | None) -> None:
    settings = _destinations(function)
    attempts = 1 + int(settings.get("MaximumRetryAttempts", len(ASYNC_RETRY_S)))
    result = call(function, event, trace)
    for pause_s in ASYNC_RETRY_S[: attempts - 1]:
        if not result.failed:
            return
        threading.Event().wait(pause_s)
        result = call(function, event, trace)
    target = settings.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
    if result.failed and target:
        send(target, _failure(function, event, result, attempts))


def _destinations(function: LambdaFunction) -> dict[str, Any]:
    configured = getattr(function, "event_invoke_config", None) or []
    return dict(configured[0].response()) if configured else {}


def _failure(function: LambdaFunction, event: Any, result: Result, attempts: int) -> dict[str, Any]:
    return {
        "version": "1.0",
        "requestContext": {
            "requestId": result.request_id,
            "functionArn": function.function_arn,
            "condition": "RetriesExhausted",
            "approximateInvokeCount": attempts,
        },
        "requestPayload": event,
        "responseContext": {"statusCode": 200, "functionError": "Unhandled"},
        "responsePayload": json.loads(result.payload),
    }


def send(arn: str, message: Any) -> None:
    """Deliver `message` to the destination `arn`. Raises ValueError for a service that takes none."""
    service = arn.split(":")[2]
    text = message if isinstance(message, str) else json.dumps(message, default=str)
    if service == "sqs":
        url = address.client("sqs").get_queue_url(QueueName=arn.rsplit(":", 1)[1])["QueueUrl"]
        address.client("sqs").send_message(QueueUrl=url, MessageBody=text)
    elif service == "sns":
        address.client("sns").publish(TopicArn=arn, Message=text)
    elif service == "lambda":
        address.client("lambda").invoke(FunctionName=arn, InvocationType="Event", Payload=text.encode())
    elif service == "states":
        address.client("stepfunctions").start_execution(
            stateMachineArn=arn, name=str(uuid.uuid4()), input=text
        )
    elif service == "kinesis":
        address.client("kinesis").put_record(
            StreamARN=arn, Data=text.encode(), PartitionKey=str(uuid.uuid4())
        )
    elif service == "s3":
        bucket = arn.rsplit(":", 1)[1]
        address.client("s3").put_object(Bucket=bucket, Key=f"failed/{uuid.uuid4()}.json", Body=text.encode())
    else:
        raise ValueError(f"no delivery to {service}")


def install() -> None:
    """From now on moto's functions run. moto has no seam for it, so its method is replaced."""
    replace(LambdaFunction, "invoke", invoke)
