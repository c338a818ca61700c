"""The one place where boto3 clients are made, where their errors become ours, and where their calls find a thread.

Decides that the SDK never retries (whoever called knows whether that is wise), that an AWS that does not answer is given
up within seconds, and that the SDK logs warnings only: its debug lines hold whole bodies.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Final, ParamSpec, TypeVar

from router_core.errors import StoreError

CONNECT_S: Final = 1.0
READ_S: Final = 3.0
CONNECTIONS: Final = 16
Faults = Mapping[str, tuple[type[StoreError], str]]
"""By AWS's error code: the error of ours and what it says of the store."""
_BODIES: Final = ("botocore", "boto3")
P = ParamSpec("P")
T = TypeVar("T")

COMMON_FAULTS: Final[Faults] = {
    "ThrottlingException": (StoreError, "is throttled"),
    "Throttling": (StoreError, "is throttled"),
    "RequestLimitExceeded": (StoreError, "is throttled"),
    "InternalServerError": (StoreError, "failed by itself"),
    "InternalFailure": (StoreError, "failed by itself"),
    "ServiceUnavailable": (StoreError, "is not available"),
    "AccessDeniedException": (StoreError, "may not be used with these credentials"),
    "AccessDenied": (StoreError, "may not be used with these credentials"),
    "UnrecognizedClientException": (StoreError, "does not know these credentials"),
    "InvalidClientTokenId": (StoreError, "does not know these credentials"),
    "InvalidAccessKeyId": (StoreError, "does not know these credentials"),
    "ExpiredToken": (StoreError, "was asked with credentials that have ended"),
    "ExpiredTokenException": (StoreError, "was asked with credentials that have ended"),
    "InvalidSignatureException": (StoreError, "does not accept the signature"),
    "SignatureDoesNotMatch": (StoreError, "does not accept the signature"),
    "ValidationException": (StoreError, "does not accept such a request"),
    "SerializationException": (StoreError, "does not accept such a request"),
    # What the SDK itself raises before or instead of an answer.
    "ParamValidationError": (StoreError, "does not accept such a request"),
    "NoCredentialsError": (StoreError, "was asked without credentials"),
    "NoRegionError": (StoreError, "was asked without a region"),
    "EndpointConnectionError": (StoreError, "cannot be reached"),
    "ConnectTimeoutError": (StoreError, "cannot be reached"),
    "ConnectionClosedError": (StoreError, "closed the connection"),
    "ReadTimeoutError": (StoreError, "did not answer in time"),
}
"""Errors that every service may answer with, and that no service model lists."""


def aws_client(service: str, *, region: str | None = None, read_s: float = READ_S) -> Any:
    """A client of `service`: endpoint (`AWS_ENDPOINT_URL`) and credentials from where boto3 finds them, the region from
    the argument, else from AWS_REGION, else from where boto3 finds it. Costs about 0.2 s the first time: the SDK is
    imported here. Blocks; not for the event loop. Raises `StoreError` where no region is known."""
    for name in _BODIES:
        logging.getLogger(name).setLevel(logging.WARNING)
    session = import_module("boto3.session").Session(
        region_name=region or os.environ.get("AWS_REGION") or None
    )
    config = import_module("botocore.config").Config(
        retries={"total_max_attempts": 1, "mode": "standard"},
        connect_timeout=CONNECT_S,
        read_timeout=read_s,
        max_pool_connections=CONNECTIONS,
        # An endpoint that was named is whole; a prefix such as `sync-` belongs to AWS's own names.
        inject_host_prefix="AWS_ENDPOINT_URL" not in os.environ,
        # A checksum is sent where we give one, and not computed again over every body.
        request_checksum_calculation="when_required",
    )
    with store_errors(service, COMMON_FAULTS):
        return session.client(service, config=config)


def error_code(error: Exception) -> str | None:
    """AWS's code, or the name of the SDK's own error; None for an error that is not of the SDK."""
    from botocore.exceptions import BotoCoreError, ClientError

    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "")) or "UnknownError"
    return type(error).__name__ if isinstance(error, BotoCoreError) else None


@contextmanager
def store_errors(what: str, faults: Faults) -> Iterator[None]:
    """Turns the SDK's errors into ours by the table; `what` is the store's name in the message. The SDK's text is left
    out: it may hold what was sent. Errors that are not of the SDK are mistakes of ours and pass."""
    try:
        yield
    except StoreError:
        raise
    except Exception as error:
        code = error_code(error)
        if code is None:
            raise
        kind, said = faults.get(code) or (StoreError, "failed")
        raise kind(f"{what} {said} ({code})") from None


class AwsThreads:
    """Runs blocking calls on at most `workers` threads, with at most `waiting` calls behind them."""

    def __init__(self, *, workers: int = CONNECTIONS, waiting: int = 1_024) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="tierwise-aws")
        self._places = threading.BoundedSemaphore(workers + waiting)

    async def run(self, act: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
        """The result of `act`. Raises `StoreError` at once when too many wait already."""
        if not self._places.acquire(blocking=False):
            raise StoreError("too many calls to AWS are waiting")
        try:
            work = self._pool.submit(act, *args, **named)
        except RuntimeError:
            self._places.release()
            raise StoreError("calls to AWS are not taken any more") from None
        # Freed when the work ends, not when its caller goes: a caller that was cancelled leaves its call running.
        work.add_done_callback(lambda _: self._places.release())
        return await asyncio.wrap_future(work)

    async def close(self) -> None:
        """Take no more calls and wait for those that run; they end within their own timeouts."""
        await asyncio.to_thread(self._pool.shutdown, wait=True, cancel_futures=True)
