"""What DynamoDB's errors mean to us; every error its service model lists for an operation we use must be here."""

from __future__ import annotations

from typing import Final

from router_core.adapters.aws.client import COMMON_FAULTS, Faults
from router_core.errors import StaleStateError, StoreError

OPERATIONS: Final = ("BatchWriteItem", "DeleteItem", "GetItem", "PutItem", "Query", "UpdateItem")
FAULTS: Final[Faults] = {
    **COMMON_FAULTS,
    "ConditionalCheckFailedException": (StaleStateError, "holds another version than expected"),
    "ProvisionedThroughputExceededException": (StoreError, "is throttled"),
    "ReplicatedWriteConflictException": (StoreError, "is being written from another region"),
    "TransactionConflictException": (StoreError, "is being written in a transaction"),
    "ResourceNotFoundException": (StoreError, "does not exist"),
    "ItemCollectionSizeLimitExceededException": (StoreError, "holds too much under this key"),
}
