"""Whether Redis can be used from here: reached, let in, writable, and fast enough for the timeout that is set."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from gateway.composition_stores import redis_place
from gateway.settings.schema import RedisSettings
from router_core.errors import TierwiseError


def examine_redis(settings: RedisSettings, environ: Mapping[str, str]) -> tuple[str, str]:
    """Verdict (ok | note | fail) and what was found."""
    if not settings.configured:
        return "note", "not configured: workers and replicas share nothing"
    where = settings.url or f"{settings.master} of {len(settings.sentinels)} sentinels"
    try:
        place = redis_place(settings, environ)
        from router_core.adapters.redis_client import write_ms

        took_ms = asyncio.run(write_ms(place, f"tierwise:{settings.environment}:doctor"))
    except TierwiseError as error:
        return "fail", f"{where}: {error}"
    if took_ms > settings.timeout_ms / 2:
        return "note", f"{where} takes {took_ms:.1f} ms per write; timeout_ms is {settings.timeout_ms:g}"
    return "ok", f"{where} takes writes, {took_ms:.1f} ms each"
