"""The topics of SNS: one per queue, all below one name. Publishing is by tens, and each of them may be refused by itself."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from router_core.adapters.aws.client import COMMON_FAULTS, Faults, store_errors
from router_core.errors import ConfigurationError, StoreError

if TYPE_CHECKING:
    from types_boto3_sns import SNSClient

AT_ONCE: Final = 10
"""Messages in one call, of SNS as of SQS."""
_ARN: Final = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:([A-Za-z0-9_-]{1,60})")
FAULTS: Final[Faults] = {
    **COMMON_FAULTS,
    "AWS.SimpleQueueService.NonExistentQueue": (StoreError, "does not exist"),
    "QueueDoesNotExist": (StoreError, "does not exist"),
    "NotFound": (StoreError, "does not exist"),
    "NotFoundException": (StoreError, "does not exist"),
    "OverLimit": (StoreError, "has too many messages in flight"),
    "AuthorizationError": (StoreError, "may not be used with these credentials"),
    "KMSAccessDeniedException": (StoreError, "may not use its key"),
    "KMSAccessDenied": (StoreError, "may not use its key"),
    "KMSThrottlingException": (StoreError, "is throttled"),
    "KmsThrottled": (StoreError, "is throttled"),
    "RequestThrottled": (StoreError, "is throttled"),
    "InternalError": (StoreError, "failed by itself"),
    "InvalidParameter": (StoreError, "does not accept such a request"),
}


class Topics:
    """Topics `NAME-inference` and so on, given as `arn:aws:sns:REGION:ACCOUNT:NAME`. Blocking."""

    def __init__(self, arn: str, client: SNSClient) -> None:
        found = _ARN.fullmatch(arn)
        if found is None:
            raise ConfigurationError("settings: jobs.sns must be arn:aws:sns:REGION:ACCOUNT:NAME")
        self._arn, self._client = arn, client
        self.name = found[1]

    def publish(self, queue: str, bodies: Sequence[str]) -> list[int]:
        """Publish up to ten; the places of those that were taken. Raises `StoreError`."""
        entries: list[Any] = [{"Id": str(n), "Message": body} for n, body in enumerate(bodies)]
        with store_errors("the topic", FAULTS):
            answer = self._client.publish_batch(
                TopicArn=f"{self._arn}-{queue}", PublishBatchRequestEntries=entries
            )
        return [int(one["Id"]) for one in answer.get("Successful", [])]
