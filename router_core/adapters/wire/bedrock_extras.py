"""What a target adds to every Converse call: a guardrail that the service applies, and points up to which it keeps a prompt.

A cache point says that all before it may be kept and found again: after the system's words, after the tools, and before the last
turn, because that is what the next call of a conversation repeats.
"""

from __future__ import annotations

from typing import Any, Final

from router_core.record import dataclass

SYSTEM, TOOLS, MESSAGES = "system", "tools", "messages"
CACHE_POINTS: Final = (SYSTEM, TOOLS, MESSAGES)
SYNC, ASYNC = "sync", "async"
_POINT: Final = {"cachePoint": {"type": "default"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConverseExtras:
    """`guardrail` by id or ARN with its version. In a stream it is applied before chunks are sent (`sync`), or beside them
    (`async`), which is sooner and may show what is then refused."""

    guardrail: str | None = None
    version: str = "DRAFT"
    stream_mode: str = SYNC
    cache_points: tuple[str, ...] = ()


NO_EXTRAS: Final = ConverseExtras()


def with_extras(body: dict[str, Any], extras: ConverseExtras, *, streams: bool) -> dict[str, Any]:
    """The body with what the target adds; the same object."""
    if extras.guardrail is not None:
        guardrail = {"guardrailIdentifier": extras.guardrail, "guardrailVersion": extras.version}
        body["guardrailConfig"] = (
            {**guardrail, "streamProcessingMode": extras.stream_mode} if streams else guardrail
        )
    if SYSTEM in extras.cache_points and body.get("system"):
        body["system"] = [*body["system"], _POINT]
    if TOOLS in extras.cache_points and "toolConfig" in body:
        body["toolConfig"] = {**body["toolConfig"], "tools": [*body["toolConfig"]["tools"], _POINT]}
    if MESSAGES in extras.cache_points and len(body["messages"]) > 2:
        # The turn before the last question: what follows it is new in every call.
        turn = body["messages"][-3]
        turn["content"] = [*turn["content"], _POINT]
    return body
