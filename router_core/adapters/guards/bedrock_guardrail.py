"""Amazon Bedrock Guardrails through `ApplyGuardrail`, signed by hand over the same client as the models.

What the service recognised travels back with its words; only the names of policies and how sure it was are taken from it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

from router_core.adapters.models.http_pool import HttpPool
from router_core.adapters.models.signed_endpoint import SignedEndpoint
from router_core.adapters.models.sigv4 import Credentials, Signer
from router_core.adapters.wire.openai_wire import dump
from router_core.errors import NotTakenError, UnavailableError
from router_core.ports import GuardCall, GuardVerdict

PIECE_CHARS: Final = 20_000
"""The service takes 25 units of 1,000 characters at a time where nothing else was agreed on."""
OVERLAP_CHARS: Final = 200
MOST_PIECES: Final = 50
AT_ONCE: Final = 4
INTERVENED: Final = "GUARDRAIL_INTERVENED"
_SURE: Final[Mapping[str, float]] = {"NONE": 0.0, "LOW": 0.33, "MEDIUM": 0.66, "HIGH": 1.0}


class BedrockGuardrail:
    """`ContentGuard` for one version of one guardrail, by id or ARN."""

    def __init__(
        self,
        pool: HttpPool,
        *,
        guardrail: str,
        version: str,
        region: str,
        credentials: Credentials,
        timeout_s: float,
    ) -> None:
        path = f"/guardrail/{quote(guardrail, safe='-._~')}/version/{quote(version, safe='-._~')}"
        signer = Signer(region=region, service="bedrock", host=pool.origin.authority)
        self._endpoint = SignedEndpoint(pool, path, signer, credentials)
        self._timeout_s = timeout_s

    async def judge(self, call: GuardCall) -> GuardVerdict:
        """All of the text, in pieces where it is long. Raises `TargetError`s, and `NotTakenError` for more than it takes."""
        pieces = list(_pieces(call.text))
        if len(pieces) > MOST_PIECES:
            raise NotTakenError("the text is longer than a guardrail is asked about")
        turn = asyncio.Semaphore(AT_ONCE)

        async def one(piece: str) -> GuardVerdict:
            async with turn:
                body = {"source": call.side.upper(), "content": [{"text": {"text": piece}}]}
                return read_verdict(await self._endpoint.post("apply", dump(body), self._timeout_s))

        tasks = [asyncio.ensure_future(one(piece)) for piece in pieces]
        try:
            verdicts = await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
        return _joined(verdicts)


def _pieces(text: str) -> Iterator[str]:
    step = PIECE_CHARS - OVERLAP_CHARS
    for start in range(0, max(1, len(text) - OVERLAP_CHARS), step):
        yield text[start : start + PIECE_CHARS]


def _joined(verdicts: list[GuardVerdict]) -> GuardVerdict:
    categories: dict[str, float] = {}
    for verdict in verdicts:
        for name, score in verdict.categories.items():
            categories[name] = max(score, categories.get(name, 0.0))
    return GuardVerdict(flagged=any(verdict.flagged for verdict in verdicts), categories=categories)


def read_verdict(answer: Mapping[str, Any]) -> GuardVerdict:
    """The service's answer in core terms. Raises `UnavailableError` when it is none."""
    try:
        found = dict(item for assessment in answer.get("assessments") or () for item in _found(assessment))
        return GuardVerdict(flagged=answer["action"] == INTERVENED, categories=found)
    except (KeyError, TypeError, AttributeError, ValueError):
        raise UnavailableError("the guardrail's answer is malformed") from None


def _found(assessment: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Each policy that recognised something, by name, without what it recognised."""
    for item in (assessment.get("contentPolicy") or {}).get("filters") or ():
        yield item["type"].lower(), _SURE.get(item.get("confidence", "HIGH"), 1.0)
    for item in (assessment.get("topicPolicy") or {}).get("topics") or ():
        yield f"topic:{item['name']}", 1.0
    words = assessment.get("wordPolicy") or {}
    if words.get("customWords"):
        yield "word", 1.0
    for item in words.get("managedWordLists") or ():
        yield item["type"].lower(), 1.0
    sensitive = assessment.get("sensitiveInformationPolicy") or {}
    for item in sensitive.get("piiEntities") or ():
        yield f"pii:{item['type'].lower()}", 1.0
    for item in sensitive.get("regexes") or ():
        yield f"regex:{item['name']}", 1.0
    for item in (assessment.get("contextualGroundingPolicy") or {}).get("filters") or ():
        yield item["type"].lower(), 1.0 - float(item.get("score", 0.0))
