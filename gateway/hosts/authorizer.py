"""API Gateway's door: is this key one of ours, and whose is it.

API Gateway keeps the answer for a while and uses it for other paths of the same stage, so it is given for the whole
stage. A key that is not known is an error named Unauthorized, which API Gateway answers with 401 as the gateway does; a
policy that denies would be 403. The api function asks the key ring again and trusts nothing in the event.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.composition.keys import records
from gateway.hosts.aws_lambda import Act
from gateway.hosts.composition import Parts
from gateway.http.auth import KeyRing
from gateway.http.refusals import UnauthorizedError
from router_core.deployment import ENV, usage_key


async def build(parts: Parts) -> Act:
    """The function over the configured keys. Raises `ConfigurationError` when there are none."""
    ring = KeyRing(records(parts.keys))
    parts.rotating(ring)

    async def act(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        await parts.rotate_keys()
        token = str(event.get("authorizationToken") or "")
        try:
            caller = ring.caller(token.encode())
        except (UnauthorizedError, UnicodeEncodeError):
            raise Exception("Unauthorized") from None  # API Gateway wants these very words
        return {
            "principalId": caller.key_id,
            "policyDocument": {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Action": "execute-api:Invoke",
                        "Effect": "Allow",
                        "Resource": _whole_stage(str(event["methodArn"])),
                    }
                ],
            },
            "context": {"tenant": caller.tenant, "key_id": caller.key_id, "role": caller.role},
            "usageIdentifierKey": usage_key(parts.environ[ENV]),
        }

    return act


def _whole_stage(method_arn: str) -> str:
    """`arn:aws:execute-api:region:account:api/stage/*` of `.../api/stage/METHOD/path`."""
    api, stage = method_arn.split("/", 2)[:2]
    return f"{api}/{stage}/*"
