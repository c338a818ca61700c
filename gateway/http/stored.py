"""What can be said about a request after its answer: read it again, judge it, report what a device did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.http import answers
from gateway.http.dependencies import AppDependencies
from gateway.http.exchange import Exchange
from gateway.http.ports import Accepted, StoredAnswer
from gateway.http.refusals import MethodError, UnprocessableError
from gateway.http.serving import Serving
from gateway.http.wire.decoding import BodyDecoder
from gateway.http.wire.inference import FeedbackBody, OutcomeBody
from gateway.jobs.following import Found, changes, shown
from router_core.errors import ConflictError, NotFoundError, StoreError
from router_core.execution import DeviceOutcome
from router_core.inference import InferenceResponse

PREFIX: Final = "/inference/"
_SMALL_BODY: Final = 64 * 1024
_FEEDBACK: Final = BodyDecoder(FeedbackBody)
_OUTCOME: Final = BodyDecoder(OutcomeBody)
_LONGEST_ID: Final = 64
_ACTS: Final = {"": "GET", "events": "GET", "feedback": "POST", "outcome": "POST"}


class StoredRoutes:
    """`/inference/{id}`, `/inference/{id}/feedback`, `/inference/{id}/outcome`."""

    def __init__(self, dependencies: AppDependencies, serving: Serving, accepted: Accepted) -> None:
        self._decisions = dependencies.decisions
        self._router = dependencies.router
        self._timeout_s = dependencies.body_timeout_s
        self._finished = serving.finished
        self._accepted, self._streams = accepted, serving.streams

    async def __call__(self, exchange: Exchange) -> None:
        request_id, _, act = exchange.path.removeprefix(PREFIX).partition("/")
        if not 0 < len(request_id) <= _LONGEST_ID or act not in _ACTS:
            raise NotFoundError("there is nothing here")
        if exchange.method != _ACTS[act]:
            raise MethodError(_ACTS[act])
        if act == "":
            await self._read(exchange, request_id)
        elif act == "events":
            await self._follow(exchange, request_id)
        elif act == "feedback":
            await self._feedback(exchange, request_id)
        else:
            await self._outcome(exchange, request_id)

    async def _read(self, exchange: Exchange, request_id: str) -> None:
        tenant = exchange.known.tenant
        found = await self._found(tenant, request_id)
        if found is None:
            found = stored_answer(await self._record(tenant, request_id))
        response = found.response if isinstance(found, StoredAnswer) else found
        headers = [answers.JSON_TYPE]
        if isinstance(response, InferenceResponse):
            headers = answers.answer_headers(response)
        await exchange.reply(200, headers, answers.encode(shown(found)))

    async def _found(self, tenant: str, request_id: str) -> Found:
        """A job, or an answer that is kept. What was answered at once may be a job as well: its judgement is there."""
        kept = self._finished.get(tenant, request_id)
        try:
            return await self._accepted.found(tenant, request_id) or kept
        except StoreError:
            if kept is None:
                raise
            return kept

    async def _follow(self, exchange: Exchange, request_id: str) -> None:
        """The same as it changes, as server-sent events; a client that leaves is followed no more."""
        if not self._streams:
            raise UnprocessableError("nothing is streamed here; ask again with GET instead", field="events")
        tenant = exchange.known.tenant
        await exchange.read_json(0, self._timeout_s)

        async def look() -> Found:
            return await self._found(tenant, request_id)

        found = await look()
        if found is None:
            found = stored_answer(await self._record(tenant, request_id))
        await exchange.start_stream([])
        async for event in changes(found, look):
            await exchange.write(event)
        await exchange.finish()

    async def _feedback(self, exchange: Exchange, request_id: str) -> None:
        body = _FEEDBACK.decode(await exchange.read_json(_SMALL_BODY, self._timeout_s))
        tenant = exchange.known.tenant
        target, _ = await self._target(tenant, request_id)
        await self._router.feedback(tenant, request_id, target, body.score, len(body.comment or ""))
        await exchange.reply(204, [], b"")

    async def _outcome(self, exchange: Exchange, request_id: str) -> None:
        body = _OUTCOME.decode(await exchange.read_json(_SMALL_BODY, self._timeout_s))
        tenant = exchange.known.tenant
        target, status = await self._target(tenant, request_id)
        if status != "execute_on_device":
            raise ConflictError("this request was not a plan for a device to execute")
        if self._finished.first_report(request_id):
            report = DeviceOutcome(
                status=body.status,
                output_tokens=body.output_tokens,
                latency_ms=body.latency_ms,
                quality=body.quality,
                error=body.error,
            )
            await self._router.outcome(tenant, request_id, target, report)
        await exchange.reply(204, [], b"")

    async def _target(self, tenant: str, request_id: str) -> tuple[str, str]:
        """The target that answered, and the answer's status; raises NotFoundError."""
        response = self._finished.get(tenant, request_id)
        if response is not None:
            return response.served.target, response.status
        record = await self._record(tenant, request_id)
        outcome = record.get("outcome") or {}
        return outcome.get("target") or record["decision"]["chosen"], outcome.get("status", "")

    async def _record(self, tenant: str, request_id: str) -> Mapping[str, Any]:
        found = None if self._decisions is None else await self._decisions.find(request_id)
        if found is None or found["decision"].get("tenant") != tenant:
            raise NotFoundError("no request of yours has this id, or it is no longer kept")
        return found


def stored_answer(record: Mapping[str, Any]) -> dict[str, Any]:
    """The answer's form filled from the event log, which keeps no text and no sentence of reason."""
    decision = record["decision"]
    outcome: Mapping[str, Any] = record.get("outcome") or {}
    status = outcome.get("status", "queued")
    used = outcome.get("usage") or {"prompt_tokens": 0, "completion_tokens": 0}
    return {
        "request_id": decision["request_id"],
        "status": status,
        "stage": {"failed": "FAILED", "cancelled": "FAILED", "queued": "INFERENCE"}.get(status, "COMPLETED"),
        "output": None,
        "usage": {**used, "total_tokens": used["prompt_tokens"] + used["completion_tokens"]},
        "routing": _stored_routing(decision, outcome),
        "attempts": outcome.get("attempts", []),
        "timings": {"total_ms": outcome.get("latency_ms")},
        "cost_usd": outcome.get("cost_usd", 0.0),
        "energy_j": outcome.get("energy_j", 0.0),
        "cache": outcome.get("cache", "bypass"),
    }


def _stored_routing(decision: Mapping[str, Any], outcome: Mapping[str, Any]) -> dict[str, Any]:
    known = ("confidence", "scores", "fallbacks", "rejected", "policy", "decided_by", "propensity", "class")
    return {
        "tier": outcome.get("tier") or decision.get("tier"),
        "target": outcome.get("target") or decision.get("chosen"),
        **{name: decision.get(name) for name in known},
        "handoff": outcome.get("handoff"),
    }
