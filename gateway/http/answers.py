"""How an answer of the core looks on `/inference`, and the response headers every path shares."""

from __future__ import annotations

from typing import Any, Final

import orjson

from gateway.http.problems import attempts
from router_core.decision import RoutingDecision
from router_core.execution import Handoff, Served, Usage
from router_core.inference import InferenceRequest, InferenceResponse, Timings
from router_core.routing.explanation import reason

Headers = list[tuple[bytes, bytes]]

JSON_TYPE: Final = (b"content-type", b"application/json")
PROBLEM_TYPE: Final = (b"content-type", b"application/problem+json")
_CACHE: Final = {word: (b"x-tierwise-cache", word.encode()) for word in ("hit", "miss", "bypass")}
_MOST_SERVED: Final = 4096
_served_headers: dict[tuple[str, str, str], tuple[tuple[bytes, bytes], ...]] = {}


def decision_headers(served: Served, policy: str, cache: str) -> Headers:
    """Who answers, as headers. The tuples are kept, because a gateway has few targets and many requests."""
    key = (served.target, served.model, policy)
    known = _served_headers.get(key)
    if known is None:
        if len(_served_headers) >= _MOST_SERVED:
            _served_headers.clear()
        known = _served_headers[key] = _served(served, policy)
    return [*known, _CACHE.get(cache) or (b"x-tierwise-cache", header_value(cache))]


def _served(served: Served, policy: str) -> tuple[tuple[bytes, bytes], ...]:
    return (
        (b"x-tierwise-tier", header_value(served.tier)),
        (b"x-tierwise-target", header_value(served.target)),
        (b"x-tierwise-model", header_value(served.model)),
        (b"x-tierwise-policy", header_value(policy)),
        (b"x-tierwise-emulated", b"true" if served.emulated else b"false"),
    )


def header_value(text: str) -> bytes:
    """Printable ASCII only: a name from configuration must not be able to start another header."""
    return "".join(c if " " <= c <= "~" else "?" for c in text).encode("ascii")


def answer_headers(response: InferenceResponse, *, more_usd: float = 0.0) -> Headers:
    """The headers of a complete, unstreamed answer; `more_usd` is the cost of further answers in the same body."""
    found = decision_headers(response.served, response.decision.policy, response.cache)
    found.append(JSON_TYPE)
    found.append((b"x-tierwise-cost-usd", b"%.8f" % (response.cost_usd + more_usd)))
    found.append((b"x-tierwise-overhead-ms", b"%.3f" % response.timings.overhead_ms))
    return found


def answer(
    response: InferenceResponse, request: InferenceRequest | None = None, *, with_text: bool = True
) -> dict[str, Any]:
    """The answer body. `with_text` False leaves the text out, for a stream that has sent it already."""
    body = {
        "request_id": response.request_id,
        "status": response.status,
        "stage": response.stage,
        "output": _output(response, request, with_text),
        "usage": usage(response.usage),
        "routing": routing(response.decision, response.served, response.handoff),
        "attempts": attempts(response.attempts),
        "timings": _timings(response.timings),
        "cost_usd": response.cost_usd,
        "energy_j": response.energy_j,
        "cache": response.cache,
    }
    if (plan := response.plan) is not None:
        body["plan"] = {
            "model": plan.model,
            "params": plan.params,
            "deadline_ms": plan.deadline_ms,
            "fallback": plan.fallback,
        }
    return body


def _output(
    response: InferenceResponse, request: InferenceRequest | None, with_text: bool
) -> dict[str, Any] | None:
    output = response.output
    if output is None:
        return None
    first = output.first
    structured: Any = output.json
    if structured is None and first.text and request is not None and request.params.wants_json:
        structured = _parsed(first.text)
    body: dict[str, Any] = {
        "text": first.text if with_text else None,
        "json": structured,
        "tool_calls": list(first.tool_calls) or None,
        "finish_reason": first.finish_reason,
    }
    if output.vectors:
        body["vectors"] = output.vectors
    return body


def _parsed(text: str) -> Any:
    """What a model wrote where JSON was asked for; None when it did not keep to it."""
    try:
        return orjson.loads(text)
    except ValueError:
        return None


def usage(used: Usage) -> dict[str, int]:
    return {
        "prompt_tokens": used.prompt_tokens,
        "completion_tokens": used.completion_tokens,
        "total_tokens": used.total_tokens,
    }


def routing(decision: RoutingDecision, served: Served, handed: Handoff | None = None) -> dict[str, Any]:
    """The routing block. Tier, target and model are those that answered; the decision's own choice, where it differs,
    is the first of `attempts` and named in `decided`."""
    body: dict[str, Any] = {
        "tier": served.tier,
        "target": served.target,
        "model": served.model,
        "confidence": decision.confidence,
        "risk": decision.risk,
        "class": decision.request_class,
        "reason": reason(decision),
        "scores": decision.scores,
        "fallbacks": decision.fallbacks,
        "rejected": decision.rejected,
        "policy": decision.policy,
        "decided_by": decision.decided_by,
        "propensity": decision.propensity,
        "emulated": served.emulated,
        "handoff": None if handed is None else handoff(handed),
    }
    if served.target != decision.target:
        body["decided"] = decision.target
    if decision.guarded:
        body["guard"] = list(decision.guarded)
    if decision.unlisted:
        body["unlisted"] = decision.unlisted
    return body


def handoff(handed: Handoff) -> dict[str, Any]:
    return {"from": handed.source, "to": handed.to, "at_chars": handed.at_chars}


def _timings(timings: Timings) -> dict[str, float]:
    return {
        "context_ms": round(timings.context_ms, 3),
        "resource_ms": round(timings.resource_ms, 3),
        "decision_ms": round(timings.decision_ms, 3),
        "execution_ms": round(timings.execution_ms, 3),
        "total_ms": round(timings.total_ms, 3),
    }


def encode(body: Any) -> bytes:
    """JSON bytes. Mappings that are not dicts become dicts, anything else foreign is an error of ours."""
    return orjson.dumps(body, default=_foreign)


def _foreign(value: Any) -> Any:
    if hasattr(value, "items"):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
