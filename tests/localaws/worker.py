"""The process of one Lambda function: loads the handler from the deployed folder and runs one event after another.

It is started by path, with nothing of this repository on its path but what was deployed, so that a file missing from
the asset is missing here, too. Events come as JSON lines on standard input, results leave as JSON lines on the
descriptor `_RESULTS`; what the function prints is its log. Errors have the form that Lambda's own runtime gives them.
"""

from __future__ import annotations

import importlib
import json
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

Handler = Callable[[Any, Any], Any]


class Context:
    """The second argument of a handler."""

    identity = None
    client_context = None

    def __init__(self, call: dict[str, Any]) -> None:
        self.aws_request_id = call["request_id"]
        self.invoked_function_arn = call["arn"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self._deadline = time.time() + call["timeout_s"]

    def get_remaining_time_in_millis(self) -> int:
        """What is left of the function's timeout."""
        return max(0, int((self._deadline - time.time()) * 1_000))


class StartError(Exception):
    """The handler cannot be loaded; `kind` is Lambda's name for it."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def load(handler: str) -> Handler:
    """The function named `package.module.name`. Raises StartError in Lambda's words."""
    module, _, name = handler.replace("/", ".").rpartition(".")
    try:
        found: Handler = getattr(importlib.import_module(module), name)
    except ImportError as error:
        raise StartError(
            "Runtime.ImportModuleError", f"Unable to import module '{module}': {error}"
        ) from error
    except AttributeError as error:
        raise StartError(
            "Runtime.HandlerNotFound", f"Handler '{name}' missing on module '{module}'"
        ) from error
    return found


def run(handler: Handler | StartError, call: dict[str, Any]) -> dict[str, Any]:
    """One result line: the handler's answer, or the error as Lambda reports it."""
    if call.get("trace"):
        os.environ["_X_AMZN_TRACE_ID"] = call["trace"]
    try:
        if isinstance(handler, StartError):
            raise handler
        return {"ok": True, "payload": marshal(handler(call["event"], Context(call)))}
    except Exception as error:
        return {"ok": False, "payload": json.dumps(report(error, call["request_id"]))}


def marshal(answer: Any) -> str:
    """The answer as JSON. Raises StartError in Lambda's words for what JSON cannot say."""
    try:
        return json.dumps(answer)
    except (TypeError, ValueError) as error:
        raise StartError("Runtime.MarshalError", f"Unable to marshal response: {error}") from error


def report(error: Exception, request_id: str) -> dict[str, Any]:
    """`errorType` is the exception's bare class name: what a state machine's Retry and Catch compare."""
    return {
        "errorMessage": str(error),
        "errorType": error.kind if isinstance(error, StartError) else type(error).__name__,
        "requestId": request_id,
        "stackTrace": traceback.format_tb(error.__traceback__),
    }


def only_what_was_deployed() -> None:
    """Put the task root first, and take off the path whatever the surrounding repository put on it."""
    task_root, excluded = os.environ["LAMBDA_TASK_ROOT"], os.environ.pop("_EXCLUDED_PATH")
    inside = os.path.join(excluded, ".venv")
    kept = [p for p in sys.path if not p.startswith(excluded) or p.startswith(inside)]
    sys.path[:] = [task_root, *kept]


def read(calls: queue.Queue[dict[str, Any]]) -> None:
    """Pass calls on; end the process with its parent, whatever the handler is doing."""
    for line in sys.stdin.buffer:
        calls.put(json.loads(line))
    os._exit(0)


def main() -> None:
    """Serve until standard input closes."""
    calls: queue.Queue[dict[str, Any]] = queue.Queue()
    only_what_was_deployed()
    results = os.fdopen(int(os.environ.pop("_RESULTS")), "w", buffering=1)
    threading.Thread(target=read, args=(calls,), daemon=True).start()
    handler: Handler | StartError
    try:
        handler = load(os.environ["_HANDLER"])
    except StartError as error:
        handler = error
    while True:
        result = run(handler, calls.get())
        sys.stdout.flush()
        results.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
