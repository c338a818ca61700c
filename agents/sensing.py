"""Asks services outside about a request before it is decided: the text of document images, names and addresses.

Decides whether they may be asked at all. Such a service is cloud egress, so it is shown a request only where a cloud
target in its region would be permitted it: by the level and residency that the request has without its help, by the
caller's tiers and by the policy. What they say adds to what we read ourselves; what fails or is slow adds nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeVar

from agents.content import read_content, whole_text
from agents.context import NO_FINDINGS, Findings
from agents.documents import images_of, with_texts
from router_core.context import RequestContext
from router_core.errors import NotTakenError, StoreError
from router_core.inference import PRIVACY_LEVELS, InferenceRequest
from router_core.policy.document import Policy
from router_core.ports import Clock, DocumentReader, Remarks, TextScan
from router_core.record import dataclass
from router_core.reliability import breaker
from router_core.reliability.breaker import CLOSED, BreakerState
from router_core.resources import TargetSpec
from router_core.routing.constraints import RESTRICTED

CLOUD: Final = "cloud"
DOCUMENTS, TEXT = "documents", "text"
DEADLINE_SHARE: Final = 0.5
"""Part of a caller's deadline that may pass before the decision."""
Reread = Callable[[InferenceRequest, Findings], Awaitable[RequestContext]]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalServices:
    """The services there are, with the residency groups of the region that each is asked in; `budget_s` is for all that
    is asked about one request."""

    scan: TextScan | None = None
    scan_groups: tuple[str, ...] = ()
    reader: DocumentReader | None = None
    reader_groups: tuple[str, ...] = ()
    budget_s: float = 0.3


class Sensing:
    """One per process. A service that keeps failing is left alone for a while, by the policy's breaker."""

    def __init__(self, services: SignalServices, specs: Mapping[str, TargetSpec], clock: Clock) -> None:
        self._services, self._specs, self._now = services, specs, clock.monotonic_s
        self._breakers: dict[str, BreakerState] = {}

    async def sense(
        self, request: InferenceRequest, context: RequestContext, policy: Policy, reread: Reread
    ) -> tuple[InferenceRequest, RequestContext]:
        """The request and its context with what the services add. Never raises for their sake."""
        until, findings = self._until(context), NO_FINDINGS
        texts = await self._texts(request, context, policy, until)
        if texts is not None:
            request, findings = with_texts(request, texts), Findings(consulted=(DOCUMENTS,))
            context = await reread(request, findings)
        remarks = await self._remarks(request, context, policy, until)
        if remarks is not None:
            consulted = (*findings.consulted, TEXT)
            context = await reread(
                request, Findings(kinds=remarks.kinds, upset=remarks.upset or 0.0, consulted=consulted)
            )
        return request, context

    async def _texts(
        self, request: InferenceRequest, context: RequestContext, policy: Policy, until: float
    ) -> tuple[str, ...] | None:
        """The texts of the images of a request that is declared to be for extraction."""
        reader, images = self._services.reader, images_of(request) if request.task == "extract" else ()
        if reader is None or not images:
            return None
        if not permitted(context, policy, self._services.reader_groups, self._specs):
            return None
        return await self._ask(DOCUMENTS, lambda: reader.texts(images), policy, until)

    async def _remarks(
        self, request: InferenceRequest, context: RequestContext, policy: Policy, until: float
    ) -> Remarks | None:
        """What is said of the text; not asked for what would change nothing."""
        scan, moody = self._services.scan, policy.class_rules.upset_at < 1.0
        if scan is None or not (policy.raise_privacy_by_pii or moody):
            return None
        if not permitted(context, policy, self._services.scan_groups, self._specs):
            return None
        text = whole_text(request)
        if not text.strip():
            return None
        last = read_content(request.messages).last if moody else None
        return await self._ask(TEXT, lambda: scan.remarks(text, context.language, last), policy, until)

    def _until(self, context: RequestContext) -> float:
        budget = self._services.budget_s
        if context.max_latency_ms is not None:
            budget = min(budget, DEADLINE_SHARE * context.max_latency_ms / 1000.0)
        return self._now() + budget

    async def _ask(
        self, name: str, call: Callable[[], Awaitable[T]], policy: Policy, until: float
    ) -> T | None:
        """The answer, None where there is none in time. What a service does not take says nothing of its health: a
        caller must not be able to have it left alone for everybody."""
        rules, now = policy.breaker, self._now()
        admitted = breaker.admit(self._breakers.get(name, CLOSED), rules, now)
        if admitted is None or until <= now:
            return None
        self._breakers[name] = admitted
        answer: T | None = None
        try:
            async with asyncio.timeout(until - now):
                answer = await call()
        except NotTakenError:
            after = breaker.abandoned(self._breakers[name])
        except (StoreError, TimeoutError):
            after = breaker.failure(self._breakers[name], rules, self._now())
        except asyncio.CancelledError:
            self._breakers[name] = breaker.abandoned(self._breakers[name])
            raise
        else:
            after = breaker.success(self._breakers[name], rules, self._now())
        self._breakers[name] = after
        return answer


def permitted(
    context: RequestContext, policy: Policy, groups: tuple[str, ...], specs: Mapping[str, TargetSpec]
) -> bool:
    """Whether a cloud target in a region of these residency groups might be shown the request."""
    tier = policy.tiers[CLOUD]
    if context.privacy >= RESTRICTED or context.privacy > PRIVACY_LEVELS.index(tier.max_privacy):
        return False
    if not tier.enabled or CLOUD not in context.tiers or context.offline:
        return False
    if context.pinned and not context.fallback and not _in_cloud(specs.get(context.pinned)):
        return False
    return all(group in groups for group in context.residency)


def _in_cloud(spec: TargetSpec | None) -> bool:
    return spec is not None and spec.tier == CLOUD
