"""Runs of a state machine, started for later or waited for. A run is named by its request, so a start that is repeated is
the same run; an express machine, which is waited for, runs again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from router_core.adapters.aws.client import COMMON_FAULTS, AwsThreads, Faults, store_errors
from router_core.errors import DeadlineError, LostError, StoreError

if TYPE_CHECKING:
    from types_boto3_stepfunctions import SFNClient

OPERATIONS: Final = ("StartExecution", "StartSyncExecution")
FAULTS: Final[Faults] = {
    **COMMON_FAULTS,
    "ExecutionAlreadyExists": (StoreError, "runs this request already"),
    "ExecutionLimitExceeded": (StoreError, "runs as many requests as it may"),
    "InvalidArn": (StoreError, "does not accept such a request"),
    "InvalidExecutionInput": (StoreError, "does not accept such a request"),
    "InvalidName": (StoreError, "does not accept such a request"),
    "StateMachineTypeNotSupported": (StoreError, "is not one that can be waited for"),
    "StateMachineDeleting": (StoreError, "is being deleted"),
    "StateMachineDoesNotExist": (StoreError, "does not exist"),
    "KmsAccessDeniedException": (StoreError, "cannot use its key"),
    "KmsInvalidStateException": (StoreError, "cannot use its key"),
    "KmsThrottlingException": (StoreError, "is throttled"),
}


class StepFunctions:
    """One state machine, by its ARN. The client's retries are off."""

    def __init__(self, client: SFNClient, arn: str, *, threads: AwsThreads | None = None) -> None:
        self._client, self._arn = client, arn
        self._threads = threads or AwsThreads(workers=2)

    async def start(self, name: str, payload: str) -> None:
        """Start the run `name` with that input; does nothing when it was started before. Raises `StoreError`."""
        await self._threads.run(self._start, name, payload)

    def _start(self, name: str, payload: str) -> None:
        with store_errors("the workflow", FAULTS):
            try:
                self._client.start_execution(stateMachineArn=self._arn, name=name, input=payload)
            except self._client.exceptions.ExecutionAlreadyExists:
                return


class ExpressStepFunctions:
    """One express state machine, by its ARN. A run takes as long as the request, so the client's `read_s` must be longer
    than the machine's own limit; its retries are off, because a repeated call would ask a tier again."""

    def __init__(self, client: SFNClient, arn: str, *, threads: AwsThreads | None = None) -> None:
        self._client, self._arn = client, arn
        self._threads = threads or AwsThreads(workers=2)

    async def run(self, name: str, payload: str) -> str:
        """The run's output. Raises `DeadlineError` when it took too long, `LostError` when it ended without output, and
        `StoreError` when it could not be run."""
        return await self._threads.run(self._run, name, payload)

    def _run(self, name: str, payload: str) -> str:
        with store_errors("the workflow", FAULTS):
            told = self._client.start_sync_execution(stateMachineArn=self._arn, name=name, input=payload)
        if told["status"] == "TIMED_OUT":
            took = told["stopDate"] - told["startDate"]
            raise DeadlineError((), took.total_seconds() * 1000.0)
        if told["status"] != "SUCCEEDED" or "output" not in told:
            # The cause is left out: it quotes what a function said.
            raise LostError("the workflow ended without an answer")
        return told["output"]
