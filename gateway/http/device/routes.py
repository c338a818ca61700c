"""What devices that decide for themselves get and give: the signed policy bundle, and reports of what they did.

A bundle is made when one is asked for, at most every `_FRESH_S`, and kept while nothing in it changed and half of its
time is left, so that most devices hear 304. Reports are taken once each: a mark per report, set before it is counted.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any, Final

from edge_runtime.protocol.bundle import bundle_document, bundle_payload
from edge_runtime.protocol.envelope import BUNDLE_TYPE, Sign
from gateway.http import answers
from gateway.http.edge import HotRoute
from gateway.http.exchange import Exchange
from gateway.http.wire.decoding import BodyDecoder
from gateway.http.wire.device import JudgementBody, OutcomesBody, ReportBody
from router_core.errors import NoCapacityError, NotFoundError, StaleStateError, StoreError
from router_core.execution import DeviceOutcome
from router_core.policy.document import Policy
from router_core.ports import StateStore
from router_core.record import dataclass
from router_core.resources import Target, TargetState

if TYPE_CHECKING:
    from gateway.http.dependencies import AppDependencies

MARK_S: Final = 30 * 24 * 3600.0
"""How long a report is remembered: longer than any device keeps one."""
_FRESH_S: Final = 30.0
_BODY_BYTES: Final = 512 * 1024
_LEARNED: Final = ("ttft_ms", "decode_ms", "error_rate", "quality_delta")
_OUTCOMES: Final = BodyDecoder(OutcomesBody)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceDesk:
    """`sign` is None where no key is set: then there are no bundles. `models` is the catalogue of device models;
    `marks` remembers which reports were taken."""

    marks: StateStore
    sign: Sign | None = None
    ttl_s: float = 3600.0
    models: tuple[Mapping[str, Any], ...] = ()
    now_s: Callable[[], float] = field(default=time.time)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Issued:
    body: bytes
    etag: bytes
    said: str
    at_s: float


def device_routes(dependencies: AppDependencies) -> dict[str, HotRoute]:
    """The paths of a gateway that serves devices; none where it does not."""
    if dependencies.device is None:
        return {}
    routes = DeviceRoutes(dependencies, dependencies.device)
    return {
        "/device/bundle": HotRoute("GET", routes.bundle),
        "/device/outcomes": HotRoute("POST", routes.outcomes),
    }


class DeviceRoutes:
    """`GET /device/bundle` and `POST /device/outcomes`."""

    def __init__(self, dependencies: AppDependencies, desk: DeviceDesk) -> None:
        self._desk = desk
        self._router, self._limiter = dependencies.router, dependencies.limiter
        self._timeout_s = dependencies.body_timeout_s
        self._specs = {spec.name: spec for spec in dependencies.catalogue}
        self._issued: dict[tuple[str, ...], _Issued] = {}

    async def bundle(self, exchange: Exchange) -> None:
        """The bundle of the caller's tiers, or 304."""
        await self._limiter.admit(exchange.known.key_id, 0)
        issued = self._current(exchange.known.tiers)
        headers = [(b"etag", issued.etag), (b"cache-control", b"private, no-cache")]
        if issued.etag in _asked(exchange):
            await exchange.reply(304, headers, b"")
            return
        await exchange.reply(200, [*headers, answers.JSON_TYPE], issued.body)

    async def outcomes(self, exchange: Exchange) -> None:
        """Takes a batch. 200 says how many were new; a batch that is sent again changes nothing."""
        await self._limiter.admit(exchange.known.key_id, 0)
        body = _OUTCOMES.decode(await exchange.read_json(_BODY_BYTES, self._timeout_s))
        tenant, unknown = exchange.known.tenant, 0
        taken = 0
        for report in body.reports:
            if report.target not in self._specs:
                unknown += 1
            elif await self._first(tenant, report.id):
                taken += 1
                await self._router.outcome(
                    tenant, _request_id(tenant, report.id), report.target, _told(report)
                )
        for judgement in body.judgements:
            if judgement.target not in self._specs:
                unknown += 1
            elif await self._first(tenant, judgement.id):
                taken += 1
                await self._judged(tenant, judgement)
        repeated = len(body.reports) + len(body.judgements) - taken - unknown
        answer = {"taken": taken, "repeated": repeated, "unknown_targets": unknown}
        await exchange.reply(200, [answers.JSON_TYPE], answers.encode(answer))

    async def _judged(self, tenant: str, judgement: JudgementBody) -> None:
        about = _request_id(tenant, judgement.report)
        await self._router.feedback(tenant, about, judgement.target, judgement.score, 0)

    async def _first(self, tenant: str, report: str) -> bool:
        """Whether this report is new. Raises `NoCapacityError` while nobody can say: the device sends it again."""
        try:
            await self._desk.marks.put(f"device:{tenant}:{report}", b"1", expected=0, ttl_s=MARK_S)
        except StaleStateError:
            return False
        except StoreError as error:
            raise NoCapacityError("reports cannot be taken now", rejected={}, retry_after_s=5.0) from error
        return True

    def _current(self, tiers: tuple[str, ...]) -> _Issued:
        sign = self._desk.sign
        if sign is None:
            raise NotFoundError("this gateway has no key to sign bundles with (settings: device.signing_key)")
        now, known = self._desk.now_s(), self._issued.get(tiers)
        if known is not None and 0 <= now - known.at_s < min(_FRESH_S, self._desk.ttl_s / 2):
            return known
        document = bundle_document(self._policy(), self._targets(tiers), self._desk.models)
        said = repr(document)
        if known is not None and known.said == said and 0 <= now - known.at_s < self._desk.ttl_s / 2:
            return known
        body = sign(BUNDLE_TYPE, bundle_payload(document, issued_s=now, ttl_s=self._desk.ttl_s))
        etag = b'"%b"' % hashlib.sha256(body).hexdigest()[:32].encode()
        issued = self._issued[tiers] = _Issued(body=body, etag=etag, said=said, at_s=now)
        return issued

    def _policy(self) -> Policy:
        """The stable one: which sessions a canary gets is decided where all of them are seen."""
        return self._router.rollout().stable

    def _targets(self, tiers: tuple[str, ...]) -> list[Target]:
        """What the caller's key may reach. Only what changes slowly is told of its state: a gateway that is asked
        looks at the present anyway."""
        return [
            Target(
                spec=self._specs[view.name],
                state=TargetState(health="up", **{name: getattr(view, name) for name in _LEARNED}),
            )
            for view in self._router.targets()
            if view.tier in tiers and view.name in self._specs
        ]


def _told(report: ReportBody) -> DeviceOutcome:
    return DeviceOutcome(
        status=report.status,
        output_tokens=report.output_tokens,
        latency_ms=report.latency_ms,
        quality=report.quality,
        error=report.reason,
    )


def _request_id(tenant: str, report: str) -> str:
    """Named here and not by the device, which could otherwise write into the records of another tenant."""
    return f"dev_{hashlib.sha256(f'{tenant}:{report}'.encode()).hexdigest()[:32]}"


def _asked(exchange: Exchange) -> tuple[bytes, ...]:
    return tuple(
        tag.strip().removeprefix(b"W/")
        for name, value in exchange.scope["headers"]
        if name == b"if-none-match"
        for tag in value[:4096].split(b",")
    )
