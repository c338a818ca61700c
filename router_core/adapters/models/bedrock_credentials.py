"""AWS keys from wherever botocore finds them (environment, profile, container, instance), fetched off the event loop.

botocore renews temporary keys well before they end, but does so in the calling thread; here that is never the loop's.
"""

from __future__ import annotations

import asyncio
import time
from importlib import import_module
from typing import Any, Final

from router_core.adapters.models.sigv4 import AwsKeys
from router_core.errors import RefusedError, UnavailableError

FRESH_S: Final = 60.0
"""How long keys are used without asking again; botocore renews at least ten minutes before they end."""


class SessionCredentials:
    """A `Credentials` callable. `session` is a botocore session; without one it is made on first use (80 ms, in a thread)."""

    def __init__(self, session: Any = None, *, profile: str | None = None) -> None:
        self._session = session
        self._profile = profile
        self._keys: AwsKeys | None = None
        self._fetched_at = 0.0
        self._fetching: asyncio.Task[AwsKeys] | None = None

    async def __call__(self) -> AwsKeys:
        """The keys of the moment. Raises `RefusedError` when there are none, `UnavailableError` when they cannot be had."""
        if self._keys is not None and time.monotonic() - self._fetched_at < FRESH_S:
            return self._keys
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.create_task(self._fetch())
            self._fetching.add_done_callback(_seen)
        if self._keys is not None:
            return self._keys  # still valid for minutes; the new ones arrive in the background
        return await asyncio.shield(self._fetching)

    async def _fetch(self) -> AwsKeys:
        keys = await asyncio.to_thread(self._find)
        if keys == self._keys:
            keys = self._keys  # the same object, so that the signer's derived key stays good
        self._keys = keys
        self._fetched_at = time.monotonic()
        return keys

    def _find(self) -> AwsKeys:
        try:
            if self._session is None:
                self._session = import_module("botocore.session").Session(profile=self._profile)
            found = self._session.get_credentials()
            frozen = None if found is None else found.get_frozen_credentials()
        except Exception:  # botocore's errors share no base with those of the HTTP client it carries
            raise UnavailableError("AWS credentials could not be obtained") from None
        if frozen is None or not frozen.access_key:
            raise RefusedError("no AWS credentials are configured")
        return AwsKeys(
            access_key_id=frozen.access_key,
            secret_access_key=frozen.secret_key,
            session_token=frozen.token,
        )


def _seen(task: asyncio.Task[AwsKeys]) -> None:
    """A failed renewal is not an error while the old keys work; whoever waits for keys gets it raised."""
    if not task.cancelled():
        task.exception()
