"""Where this local AWS is and as whom everything in it calls: the one account, region and endpoint.

The server sets its port once, before anything else runs, because moto reads the same variable for calls of its own.
"""

from __future__ import annotations

import os
import re
from functools import cache
from typing import Any, Final

import boto3
from botocore.config import Config

from infra.environments import DEV

ACCOUNT: Final = DEV.account
REGION: Final = DEV.region
HOST: Final = "127.0.0.1"
PORT_VARIABLE: Final = "MOTO_PORT"
REDIS_VARIABLE: Final = "LOCALAWS_REDIS_PORT"
CACHE_HOST: Final = "cache.tierwise.local"
"""What the templates get as the address of ElastiCache."""
CLOSED_PORT: Final = "9"
CREDENTIALS: Final = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
# Nothing here is slow by itself; what is not answered in this time hangs.
_PATIENCE_S = 90


def endpoint(port: int | None = None) -> str:
    """The endpoint of every service. Raises KeyError where neither `port` nor the server's variable is set."""
    return f"http://{HOST}:{os.environ[PORT_VARIABLE] if port is None else port}"


def environment(url: str) -> dict[str, str]:
    """The variables that point any AWS SDK or tool at `url`."""
    return {
        **CREDENTIALS,
        "AWS_ENDPOINT_URL": url,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_MAX_ATTEMPTS": "1",
    }


@cache
def client(service: str, url: str | None = None) -> Any:
    """A client of one service here (or at `url`); one per process, because making one costs more than a call."""
    return boto3.client(
        service,  # type: ignore[call-overload]  # the stubs list services by literal; this one is any of them
        region_name=REGION,
        endpoint_url=url or endpoint(),
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        config=Config(
            retries={"total_max_attempts": 1}, read_timeout=_PATIENCE_S, max_pool_connections=50, proxies={}
        ),
    )


def within_the_vpc(value: str) -> str:
    """A variable's value with the cache's address as it is here: this Redis speaks without TLS, on a port of its own."""
    port = os.environ.get(REDIS_VARIABLE, CLOSED_PORT)
    return re.sub(rf"rediss?://{re.escape(CACHE_HOST)}(:[0-9]+)?", f"redis://{HOST}:{port}", value)
