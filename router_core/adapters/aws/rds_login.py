"""Logging in to RDS as who we are: a token signed with our own credentials, good for a quarter of an hour and one place.

No password exists that could leak or would have to be rotated. Signing happens here, without a call; credentials come from
where boto3 finds them.
"""

from __future__ import annotations

from typing import Any, Final

from router_core.adapters.aws.client import COMMON_FAULTS, Faults, store_errors
from router_core.errors import StoreError

FAULTS: Final[Faults] = {
    **COMMON_FAULTS,
    "UnknownSignatureVersionError": (StoreError, "cannot be signed in to"),
}


class RdsLogin:
    """Tokens for one user of one database. Call it for each connection."""

    def __init__(self, client: Any, *, host: str, port: int, user: str) -> None:
        self._client, self._host, self._port, self._user = client, host, port, user

    def __call__(self) -> str:
        """The token, to be sent as the password over TLS. Raises `StoreError`."""
        with store_errors("the database", FAULTS):
            token: str = self._client.generate_db_auth_token(
                DBHostname=self._host, Port=self._port, DBUsername=self._user
            )
        return token
