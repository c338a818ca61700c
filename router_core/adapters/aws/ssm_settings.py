"""Settings from Parameter Store: every parameter below a prefix is one setting, named by its path.

`/tierwise/dev/settings/server/port` is `server.port`. What a name or a value may be is not decided here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from router_core.adapters.aws.client import aws_client, store_errors
from router_core.adapters.aws.ssm_policy_store import FAULTS, WHAT
from router_core.errors import StoreError

if TYPE_CHECKING:
    from types_boto3_ssm import SSMClient

MAX_PARAMETERS: Final = 500
PAGE: Final = 10
"""The most that AWS gives at once."""


class SsmSettings:
    """Reads once, at start. Blocks; raises `StoreError`."""

    def __init__(self, client: SSMClient) -> None:
        self._client = client

    @classmethod
    def connect(cls) -> SsmSettings:
        """With a client of its own, and AWS's SDK imported for it."""
        return cls(aws_client("ssm"))

    def read(self, prefix: str) -> dict[str, str]:
        """Text by path below the prefix, such as `server/port`; a SecureString decrypted."""
        root = f"{prefix.rstrip('/')}/"
        wanted: dict[str, Any] = {
            "Path": root, "Recursive": True, "WithDecryption": True, "MaxResults": PAGE,
        }  # fmt: skip
        found: dict[str, str] = {}
        with store_errors(WHAT, FAULTS):
            while True:
                page = self._client.get_parameters_by_path(**wanted)
                found |= {one["Name"].removeprefix(root): one["Value"] for one in page["Parameters"]}
                if len(found) > MAX_PARAMETERS:
                    raise StoreError(f"{WHAT} has more than {MAX_PARAMETERS} settings below {root}")
                if not page.get("NextToken"):
                    return found
                wanted["NextToken"] = page["NextToken"]
