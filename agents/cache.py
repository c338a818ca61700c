"""Cache agent: may this answer be reused, is there one, and where does a conversation's cached prefix live.

Exact only: the key covers tenant, scope, model, policy and the canonical request, so two callers never share an
answer and a policy change never serves an old one. Restricted content is neither stored nor looked up. The lookup
comes after the decision and uses the chosen model: a hit cannot get round a hard constraint.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import fields
from hashlib import blake2b
from operator import attrgetter
from typing import Any, Final

from router_core.context import RequestContext
from router_core.decision import RoutingDecision
from router_core.errors import StoreError
from router_core.execution import Choice, Output, Usage
from router_core.inference import InferenceRequest, Message
from router_core.policy.document import CachePolicy
from router_core.ports import AffinityFeed, ResponseStore
from router_core.routing.constraints import RESTRICTED
from router_core.signals.fingerprint import canonical_json, fingerprint

AFFINITY_LIMIT: Final = 20_000
PREFIX_CHARS: Final = 512


class CacheAgent:
    """Exact answers by key, and the last target of sessions and prompt prefixes (bounded, least recent out), which
    `feed` shares with other workers."""

    def __init__(self, store: ResponseStore, feed: AffinityFeed | None = None) -> None:
        self._store = store
        self._feed = feed
        self._last: OrderedDict[bytes, str] = OrderedDict()
        if feed is not None:
            feed.listen(self._note)

    def key(
        self,
        request: InferenceRequest,
        context: RequestContext,
        decision: RoutingDecision,
        policy: CachePolicy,
    ) -> str | None:
        """The entry's key, or None when this request must bypass the cache."""
        temperature = request.params.temperature
        if (
            not policy.enabled
            or not request.cache_allowed
            or context.privacy >= RESTRICTED
            or temperature is None
            or temperature > policy.max_temperature
        ):
            return None
        params = request.params
        body = canonical_json(
            [
                request.messages,
                params.max_tokens,
                temperature,
                params.response_format,
                params.tools,
                params.extra,
                context.task,
            ]
        )
        scope = f"user:{request.user}" if request.user is not None else f"key:{request.caller.key_id}"
        parts = (context.tenant, scope, decision.target, decision.model, decision.policy_sha256)
        return fingerprint([*(part.encode() for part in parts), body])

    async def lookup(self, key: str) -> tuple[Output, Usage] | None:
        """The stored answer. A store that fails is a miss."""
        try:
            found = await self._store.get(key)
            return None if found is None else _decode(found)
        except (StoreError, ValueError, KeyError, TypeError):
            return None

    async def store(self, key: str, output: Output, usage: Usage, policy: CachePolicy) -> None:
        """Keep a complete answer; a store that fails loses nothing but the next hit."""
        if any(choice.finish_reason not in ("stop", "tool_calls") for choice in output.choices):
            return
        try:
            await self._store.put(key, _encode(output, usage), policy.ttl_s)
        except StoreError:
            return

    def recall(self, request: InferenceRequest) -> tuple[str | None, str | None]:
        """Last targets of (this session, this prompt prefix), None where unknown."""
        session = self._last.get(_session_key(request)) if request.session_id is not None else None
        prefix = _prefix_key(request)
        return session, self._last.get(prefix) if prefix is not None else None

    def remember(self, request: InferenceRequest, target: str) -> None:
        """Note where the session and the prefix were served."""
        for key in (_session_key(request) if request.session_id is not None else None, _prefix_key(request)):
            if key is None:
                continue
            if self._feed is not None and self._last.get(key) != target:
                self._feed.tell(key, target)
            self._note(key, target)

    def _note(self, key: bytes, target: str) -> None:
        self._last[key] = target
        self._last.move_to_end(key)
        if len(self._last) > AFFINITY_LIMIT:
            self._last.popitem(last=False)


def _session_key(request: InferenceRequest) -> bytes:
    return blake2b(f"{request.caller.tenant}\0{request.session_id}".encode(), digest_size=16).digest()


def _prefix_key(request: InferenceRequest) -> bytes | None:
    """Only prompts with more than one message have a prefix worth going back to."""
    if len(request.messages) < 2:
        return None
    head = _head(request.messages[0])
    return blake2b(f"{request.caller.tenant}\1{head}".encode(), digest_size=16).digest() if head else None


def _head(message: Message) -> str:
    content = message.get("content")
    return content[:PREFIX_CHARS] if isinstance(content, str) else ""


def _encode(output: Output, usage: Usage) -> bytes:
    choices = [dict(zip(_CHOICE, _choice_values(choice), strict=True)) for choice in output.choices]
    used = dict(zip(_USAGE, _usage_values(usage), strict=True))
    record = {"output": {"choices": choices, "json": output.json}, "usage": used}
    return json.dumps(record, separators=(",", ":")).encode()


_CHOICE: Final = tuple(f.name for f in fields(Choice))
_USAGE: Final = tuple(f.name for f in fields(Usage))
_choice_values: Final = attrgetter(*_CHOICE)
_usage_values: Final = attrgetter(*_USAGE)


def _decode(data: bytes) -> tuple[Output, Usage]:
    record: dict[str, Any] = json.loads(data)
    output = record["output"]
    choices = tuple(
        Choice(**{**choice, "tool_calls": tuple(choice["tool_calls"])}) for choice in output["choices"]
    )
    return Output(choices=choices, json=output["json"]), Usage(**record["usage"])
