"""Starts runs of a state machine. A run is named by its request, so a start that is repeated is the same run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from router_core.adapters.aws.client import COMMON_FAULTS, AwsThreads, Faults, store_errors
from router_core.errors import StoreError

if TYPE_CHECKING:
    from types_boto3_stepfunctions import SFNClient

OPERATIONS: Final = ("StartExecution",)
FAULTS: Final[Faults] = {
    **COMMON_FAULTS,
    "ExecutionAlreadyExists": (StoreError, "runs this request already"),
    "ExecutionLimitExceeded": (StoreError, "runs as many requests as it may"),
    "InvalidArn": (StoreError, "does not accept such a request"),
    "InvalidExecutionInput": (StoreError, "does not accept such a request"),
    "InvalidName": (StoreError, "does not accept such a request"),
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
