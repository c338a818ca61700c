"""Secrets from AWS Secrets Manager: the current version, whole or one key of its JSON, fetched once and kept.

Decides that a value leaves this module only as the result of `value`: it is in no error, no repr and no log line, and an
error carries no cause, because the SDK's own texts and the JSON parser's may quote what they were given. Calls block.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import orjson

from router_core.adapters.aws.client import COMMON_FAULTS, Faults, aws_client, store_errors
from router_core.errors import StoreError

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient

OPERATIONS: Final = ("GetSecretValue",)


class MissingSecretError(StoreError):
    """The secret, or the stage of it that was asked for, does not exist."""

    retryable = False


FAULTS: Final[Faults] = {
    **COMMON_FAULTS,
    "ResourceNotFoundException": (MissingSecretError, "does not hold this secret"),
    "InvalidParameterException": (StoreError, "does not accept such a request"),
    "InvalidRequestException": (StoreError, "cannot give this secret now (is it marked for deletion?)"),
    "DecryptionFailure": (StoreError, "cannot decrypt this secret with its key"),
    "InternalServiceError": (StoreError, "failed by itself"),
}
CURRENT: Final = "AWSCURRENT"
PREVIOUS: Final = "AWSPREVIOUS"
_ARN: Final = re.compile(
    r"arn:aws[a-z-]{0,16}:secretsmanager:(?P<region>[a-z0-9-]{1,32}):[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]{1,519}"
)
_KEY: Final = re.compile(r"[!-~]{1,256}")
_WHAT: Final = "Secrets Manager"
ClientOf = Callable[[str], "SecretsManagerClient"]
"""Makes the client of a region."""


def regional(region: str) -> SecretsManagerClient:
    """A client of the region that an ARN names."""
    made: SecretsManagerClient = aws_client("secretsmanager", region=region)
    return made


class SecretsManager:
    """Values by `ARN` or `ARN#key`. Used by one thread at a time or by several; made and closed by the same process."""

    def __init__(self, client_of: ClientOf = regional) -> None:
        self._client_of = client_of
        self._clients: dict[str, SecretsManagerClient] = {}
        self._kept: dict[str, str] = {}
        self._turn = threading.Lock()

    def __repr__(self) -> str:
        return f"SecretsManager({len(self._kept)} kept)"

    def value(self, reference: str) -> str:
        """The secret's current text, or the text under one key of its JSON. Raises `StoreError`, also for a reference
        that is none."""
        arn, hash_, key = reference.partition("#")
        found = _ARN.fullmatch(arn)
        if found is None or (hash_ and not _KEY.fullmatch(key)):
            raise StoreError(
                "a reference to Secrets Manager is an ARN, or ARN#key for one key of a JSON secret"
            )
        with self._turn:
            if arn not in self._kept:
                self._kept[arn] = self._fetch(arn, found["region"])
            whole = self._kept[arn]
        return _under(whole, key) if hash_ else whole

    def previous(self, reference: str) -> str | None:
        """What the reference meant before the last rotation, fetched anew; None where there was nothing. Raises
        `StoreError`."""
        arn, hash_, key = reference.partition("#")
        with self._turn:
            try:
                whole = self._fetch(arn, arn.split(":")[3], PREVIOUS)
            except MissingSecretError:
                return None
        try:
            return _under(whole, key) if hash_ else whole
        except StoreError:  # the key is new in this secret
            return None

    def refresh(self) -> bool:
        """Fetch all that is kept again, as a rotation may have changed it; whether anything did. What cannot be fetched
        keeps its old value, and the first such error is raised when all have been tried."""
        errors: list[StoreError] = []
        changed = False
        with self._turn:
            for arn, old in list(self._kept.items()):
                try:
                    self._kept[arn] = self._fetch(arn, arn.split(":")[3])
                except StoreError as error:
                    errors.append(error)
                changed = changed or self._kept[arn] != old
        if errors:
            raise errors[0]
        return changed

    def close(self) -> None:
        """Forget the values and close the clients."""
        with self._turn:
            self._kept.clear()
            for client in self._clients.values():
                client.close()
            self._clients.clear()

    def _fetch(self, arn: str, region: str, stage: str = CURRENT) -> str:
        if region not in self._clients:
            self._clients[region] = self._client_of(region)
        with store_errors(_WHAT, FAULTS):
            answer = self._clients[region].get_secret_value(SecretId=arn, VersionStage=stage)
        text = answer.get("SecretString")
        if not isinstance(text, str):
            raise StoreError("Secrets Manager holds this secret as bytes, not as text")
        return text


def _under(whole: str, key: str) -> str:
    try:
        table: Any = orjson.loads(whole)
    except ValueError:
        table = None
    value = table.get(key) if isinstance(table, dict) else None
    if not isinstance(value, str):
        raise StoreError("the secret holds no text under this key")
    return value
