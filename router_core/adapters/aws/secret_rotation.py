"""Writes the versions of a secret in Secrets Manager that a rotation goes through.

Decides nothing about the value. A version is named by the rotation's token, which is what makes every step repeatable.
Reading secrets where they are used is another adapter's matter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from router_core.adapters.aws.client import COMMON_FAULTS, Faults, store_errors
from router_core.errors import StoreError

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient

CURRENT: Final = "AWSCURRENT"
PENDING: Final = "AWSPENDING"
PREVIOUS: Final = "AWSPREVIOUS"
OPERATIONS: Final = ("DescribeSecret", "GetSecretValue", "PutSecretValue", "UpdateSecretVersionStage")


class MissingVersionError(StoreError):
    """The secret, or the version asked for, does not exist."""

    retryable = False


FAULTS: Final[Faults] = {
    **COMMON_FAULTS,
    "DecryptionFailure": (StoreError, "cannot be decrypted with its key"),
    "EncryptionFailure": (StoreError, "cannot be encrypted with its key"),
    "InternalServiceError": (StoreError, "failed by itself"),
    "InvalidParameterException": (StoreError, "does not accept such a request"),
    "InvalidRequestException": (StoreError, "does not accept such a request now"),
    "LimitExceededException": (StoreError, "has too many versions"),
    "ResourceExistsException": (StoreError, "holds another value under this version"),
    "ResourceNotFoundException": (MissingVersionError, "does not exist"),
}


class RotatingSecret:
    """One secret. Blocking: for a function that takes one step at a time. Every method raises `StoreError`."""

    def __init__(self, client: SecretsManagerClient, secret_id: str) -> None:
        self._client, self._secret_id = client, secret_id

    def stages(self) -> dict[str, tuple[str, ...]]:
        """The stages of each version; nothing when rotation is switched off."""
        with store_errors("the secret", FAULTS):
            told = self._client.describe_secret(SecretId=self._secret_id)
        if not told.get("RotationEnabled"):
            return {}
        return {version: tuple(stages) for version, stages in told["VersionIdsToStages"].items()}

    def value(self, version: str, stage: str) -> str | None:
        """The value of a version that has the stage; None where that version has none yet."""
        try:
            with store_errors("the secret", FAULTS):
                told = self._client.get_secret_value(
                    SecretId=self._secret_id, VersionId=version, VersionStage=stage
                )
        except MissingVersionError:
            return None
        return told["SecretString"]

    def put_pending(self, version: str, value: str) -> None:
        """Store the value under the version, to be current later."""
        with store_errors("the secret", FAULTS):
            self._client.put_secret_value(
                SecretId=self._secret_id,
                ClientRequestToken=version,
                SecretString=value,
                VersionStages=[PENDING],
            )

    def make_current(self, version: str, instead_of: str) -> None:
        """Move `AWSCURRENT`; Secrets Manager then calls the version that had it `AWSPREVIOUS`."""
        with store_errors("the secret", FAULTS):
            self._client.update_secret_version_stage(
                SecretId=self._secret_id,
                VersionStage=CURRENT,
                MoveToVersionId=version,
                RemoveFromVersionId=instead_of,
            )
