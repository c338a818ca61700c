"""The three records of a request, joined by `request_id`: decision, outcome, quality.

Plain JSON-ready mappings, because they leave the process at once. No prompt text goes in; a decision record holds
the features from which `decide()` gives the same bits again, and names the state snapshot by its hash.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from router_core.context import RequestContext
from router_core.decision import RoutingDecision
from router_core.deliberation import Advice
from router_core.errors import GuardBlockedError, GuardUnavailableError, NoTargetError
from router_core.execution import Attempt, Execution
from router_core.record import dataclass
from router_core.routing.residency import Action

SCHEMA: Final = 1
REPORTED: Final = "reported_by_device"
"""Status of an outcome that a device tells afterwards: a second one of the same request."""
FIGURES: Final = ("ttft_ms", "prompt_tokens", "completion_tokens", "cost_usd")
"""Columns of `attempt_figures` in an outcome, a row per attempt."""


def event_id(record: Mapping[str, Any]) -> str:
    """The record's own name, by which consumers count it once: what it is about, its kind, its number within.

    A function of the record alone, so that every sink, host and retry gives it the same. A request has one decision
    and one outcome (a stage that ran twice repeats both), then at most one report of a device; judgements are
    told apart by their source and moment.
    """
    kind = record.get("kind", "")
    number = "0"
    if kind == "quality":
        number = f"{record.get('source', '')}-{_microseconds(record)}"
    elif record.get("status") == REPORTED:
        number = "1"
    about = record.get("request_id") or record.get("sha256") or _microseconds(record)
    return f"{about}:{kind}:{number}"


def _microseconds(record: Mapping[str, Any]) -> int:
    return round(float(record.get("time") or 0.0) * 1e6)


def decision_record(
    time_s: float,
    context: RequestContext,
    decision: RoutingDecision,
    inflight: tuple[tuple[int, int], ...],
) -> dict[str, Any]:
    """The decision and what it was made from. `inflight` are (target index, own requests in flight) pairs."""
    return {
        "kind": "decision",
        "schema": SCHEMA,
        "time": time_s,
        "request_id": decision.request_id,
        "tenant": context.tenant,
        "class": decision.request_class,
        "features": context.features(),
        "inflight": inflight,
        "policy": decision.policy,
        "policy_sha256": decision.policy_sha256,
        "state_sha256": decision.state_sha256,
        "chosen": decision.target,
        "tier": decision.tier,
        "propensity": decision.propensity,
        "confidence": decision.confidence,
        "decided_by": decision.decided_by,
        "scores": decision.scores,
        "rejected": decision.rejected,
        "fallbacks": decision.fallbacks,
        "model_answers": [advice.as_record() for advice in decision.advice],
    }


def refusal_record(time_s: float, tenant: str, request_id: str, error: NoTargetError) -> dict[str, Any]:
    """A decision that found no target."""
    return _undecided(time_s, tenant, request_id, error) | {"rejected": error.rejected}


def guard_record(
    time_s: float, tenant: str, request_id: str, error: GuardBlockedError | GuardUnavailableError
) -> dict[str, Any]:
    """A request that the policy's guard did not let in, with the rules that said so."""
    return _undecided(time_s, tenant, request_id, error) | {"guard": list(error.rules), "rejected": {}}


def _undecided(
    time_s: float,
    tenant: str,
    request_id: str,
    error: NoTargetError | GuardBlockedError | GuardUnavailableError,
) -> dict[str, Any]:
    return {
        "kind": "decision",
        "schema": SCHEMA,
        "time": time_s,
        "request_id": request_id,
        "tenant": tenant,
        "chosen": None,
        "outcome": error.outcome,
    }


def nodes_record(time_s: float, target: str, action: Action, requests_per_min: float) -> dict[str, Any]:
    """A change of how many nodes of a model are wanted."""
    return {
        "kind": "nodes",
        "schema": SCHEMA,
        "time": time_s,
        "target": target,
        "action": action.kind,
        "before": action.before,
        "nodes": action.nodes,
        "reason": action.reason,
        "requests_per_min": requests_per_min,
    }


def outcome_record(
    time_s: float, tenant: str, request_id: str, status: str, execution: Execution, cache: str
) -> dict[str, Any]:
    """What happened. `status` completed | failed | cancelled | execute_on_device."""
    handoff = execution.handoff
    checks = [_check(attempt) for attempt in execution.attempts if attempt.check is not None]
    return {
        "kind": "outcome",
        "schema": SCHEMA,
        "time": time_s,
        "request_id": request_id,
        "tenant": tenant,
        "status": status,
        "target": execution.served.target,
        "tier": execution.served.tier,
        "attempts": [_attempt(attempt) for attempt in execution.attempts],
        "attempt_figures": [_figures(attempt) for attempt in execution.attempts],
        "usage": {
            "prompt_tokens": execution.usage.prompt_tokens,
            "completion_tokens": execution.usage.completion_tokens,
        },
        "cost_usd": execution.cost_usd,
        "energy_j": execution.energy_j,
        "latency_ms": round(execution.execution_ms, 3),
        "cache": cache,
        "handoff": None
        if handoff is None
        else {"from": handoff.source, "to": handoff.to, "at_chars": handoff.at_chars},
        **({"checks": checks} if checks else {}),
    }


def report_record(time_s: float, tenant: str, request_id: str, tier: str, attempt: Attempt) -> dict[str, Any]:
    """The outcome of a plan that a device ran for itself, as the device tells it."""
    return {
        "kind": "outcome",
        "schema": SCHEMA,
        "time": time_s,
        "request_id": request_id,
        "tenant": tenant,
        "status": REPORTED,
        "target": attempt.target,
        "tier": tier,
        "attempts": [_attempt(attempt)],
        "attempt_figures": [_figures(attempt)],
        "usage": {"prompt_tokens": 0, "completion_tokens": attempt.usage.completion_tokens},
        "cost_usd": 0.0,
        "latency_ms": attempt.latency_ms,
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "target": attempt.target,
        "outcome": attempt.outcome,
        "latency_ms": round(attempt.latency_ms, 3),
        "error": attempt.error,
    }


def _check(attempt: Attempt) -> dict[str, Any]:
    return {"target": attempt.target, **asdict(attempt.check)} if attempt.check is not None else {}


def _figures(attempt: Attempt) -> list[float | None]:
    """What consumers learn from, in the order of `FIGURES`; beside `attempts`, whose form callers see, too."""
    usage = attempt.usage
    return [attempt.ttft_ms, usage.prompt_tokens, usage.completion_tokens, attempt.cost_usd]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """How good an answer was: `source` judge | feedback | check, `score` in [0, 1]. Comments stay out of records."""

    source: str
    score: float
    comment_length: int = 0


def quality_record(
    time_s: float, tenant: str, request_id: str, target: str, judgement: Judgement
) -> dict[str, Any]:
    """A judgement of an answer that `target` gave."""
    return {
        "kind": "quality",
        "schema": SCHEMA,
        "time": time_s,
        "request_id": request_id,
        "tenant": tenant,
        "target": target,
        "source": judgement.source,
        "score": judgement.score,
        "comment_length": judgement.comment_length,
    }


def finding_record(time_s: float, finding: Advice) -> dict[str, Any]:
    """What an agent's model found in the background. It changes nothing: it is there to be read."""
    return {"kind": "finding", "schema": SCHEMA, "time": time_s, **finding.as_record()}


def state_record(time_s: float, state: Mapping[str, Any]) -> dict[str, Any]:
    """A resource snapshot, written once per hash before the first decision that names it."""
    return {"kind": "state", "schema": SCHEMA, "time": time_s, **state}


def policy_record(time_s: float, sha256: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """A policy document, written once per hash before the first decision that names it."""
    return {"kind": "policy", "schema": SCHEMA, "time": time_s, "sha256": sha256, "document": document}


def policy_refused_record(time_s: float, source: str, stays: str) -> dict[str, Any]:
    """A policy document was refused: `source` names where it came from, `stays` the policy that is still in force."""
    return {"kind": "policy_refused", "schema": SCHEMA, "time": time_s, "source": source, "stays": stays}
