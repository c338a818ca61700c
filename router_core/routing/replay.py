"""Decides a logged request again from its records, and says whether the same bits came out.

This is what makes the log evidence: features, state and policy are read back, hashed anew and put through `decide()`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from router_core.context import RequestContext
from router_core.decision import RoutingDecision
from router_core.deliberation import Advice
from router_core.errors import StoreError
from router_core.policy.parse import from_document
from router_core.resources import ResourceState
from router_core.routing.decide import decide
from router_core.routing.preferred import followed
from router_core.routing.table import compile_table

Record = Mapping[str, Any]


def replay(decision_record: Record, state_record: Record, policy_record: Record) -> RoutingDecision:
    """The decision taken from these records: the fast path's, and what a model answered then is followed again; no model is
    asked. Its hashes are those of what was read, not what the records claim. Raises `StoreError` for records that are
    damaged or incomplete, `ConfigurationError` for a policy that isn't valid, `NoTargetError` when nothing is left."""
    try:
        context = RequestContext.from_features(decision_record["features"])
        state = ResourceState.from_record(state_record)
        table = compile_table(state, from_document(policy_record["document"]))
        inflight = tuple((int(index), int(count)) for index, count in decision_record["inflight"])
        advice = tuple(Advice.from_record(one) for one in decision_record.get("model_answers", ()))
        return followed(decide(context, table, inflight), advice, context, table, inflight)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise StoreError(f"the records can't be replayed: {type(error).__name__} {error}") from error


def differences(decision_record: Record, decision: RoutingDecision) -> tuple[str, ...]:
    """Names of the record's fields that the decision does not repeat to the bit, in the record's order.

    A cached answer keeps its fast decision's scores, but may name another target: that is a difference.
    """
    again: dict[str, object] = {
        "request_id": decision.request_id,
        "class": decision.request_class,
        "policy": decision.policy,
        "policy_sha256": decision.policy_sha256,
        "state_sha256": decision.state_sha256,
        "chosen": decision.target,
        "tier": decision.tier,
        "propensity": decision.propensity,
        "confidence": decision.confidence,
        "scores": decision.scores,
        "rejected": decision.rejected,
        "fallbacks": decision.fallbacks,
    }
    return tuple(name for name, value in again.items() if _exact(decision_record.get(name)) != _exact(value))


def same(decision_record: Record, decision: RoutingDecision) -> bool:
    """Whether the decision repeats the record to the bit."""
    return not differences(decision_record, decision)


def _exact(value: object) -> object:
    """A form in which equal means equal bits and equal order: floats by their digits, tuples as JSON has them."""
    if isinstance(value, float):
        return value.hex()
    if isinstance(value, Mapping):
        return [(key, _exact(item)) for key, item in value.items()]
    if isinstance(value, list | tuple):
        return [_exact(item) for item in value]
    return value
