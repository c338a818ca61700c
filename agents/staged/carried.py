"""What a stage is given, read back from its payload: records, and the snapshot that the decision is made on.

Tables and policies are kept per hash, because a machine sees the same few again and again; a document or a state that
does not have the hash it claims is refused.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from typing import Any, Final, TypeVar

from agents.attempts import Tried
from agents.turn import Turn
from router_core.context import RequestContext
from router_core.decision import RoutingDecision
from router_core.errors import StoreError
from router_core.execution import Attempt
from router_core.inference import InferenceRequest
from router_core.payload import error_to_json, from_json, target_error, to_json
from router_core.policy.document import Policy
from router_core.policy.parse import from_document, to_document
from router_core.resources import ResourceState
from router_core.routing.objective import InFlight
from router_core.routing.table import TargetTable, compile_table

Payload = Mapping[str, Any]
T = TypeVar("T")
KEPT: Final = 16
WAITING: Final = "waiting"
"""Key of a payload whose answer somebody waits for."""


class TargetFailedError(Exception):
    """One leg failed and another may follow: a word to the state machine that no caller ever hears. `notes` is what the next leg must know, as JSON-ready values."""

    def __init__(self, notes: Mapping[str, Any]) -> None:
        super().__init__("a target failed; another may follow")
        self.notes = notes


class Snapshots:
    """Policies by hash, and tables by the hashes of policy and state."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()

    def policy(self, context: Payload) -> Policy:
        """The policy under which the request was read."""
        carried = context["policy"]
        sha256: str = carried["sha256"]
        return self._once(sha256, lambda: _checked(from_document(carried["document"]), sha256))

    def table(self, context: Payload, resources: Payload) -> TargetTable:
        """The targets as the decision saw them."""
        policy, state = self.policy(context), resources["state"]
        sha256: str = state["sha256"]
        return self._once(
            (policy.sha256, sha256),
            lambda: compile_table(_checked(ResourceState.from_record(state), sha256), policy),
        )

    def _once(self, key: Hashable, make: Callable[[], T]) -> T:
        found: T | None = self._kept.get(key)
        if found is None:
            found = self._kept[key] = make()
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return found


Hashed = TypeVar("Hashed", Policy, ResourceState)


def _checked(made: Hashed, sha256: str) -> Hashed:
    if made.sha256 != sha256:
        raise StoreError("a stage was handed a snapshot that is not the one it names")
    return made


def carry_policy(policy: Policy) -> dict[str, Any]:
    """The policy by value: at most 8,000 bytes, so that every stage decides by the same one while a new one spreads."""
    return {"sha256": policy.sha256, "document": to_document(policy)}


def request_of(payload: Payload) -> InferenceRequest:
    return from_json(InferenceRequest, payload["request"])


def served_of(payload: Payload) -> InferenceRequest:
    """The request with the messages that its targets are to see."""
    request, messages = request_of(payload), payload["context"].get("messages")
    return request if messages is None else replace(request, messages=tuple(messages))


def context_of(payload: Payload) -> RequestContext:
    """The request as it was read, or as a model saw it that the router asked."""
    seen = payload.get("decision", {}).get("features")
    return RequestContext.from_features(payload["context"]["features"] if seen is None else seen)


def inflight_of(payload: Payload) -> InFlight:
    return tuple((index, count) for index, count in payload["resources"]["inflight"])


def decision_of(payload: Payload) -> RoutingDecision:
    beside = ("decided_s", "features")
    carried = {name: value for name, value in payload["decision"].items() if name not in beside}
    return from_json(RoutingDecision, carried)


def turn_of(payload: Payload, snapshots: Snapshots) -> Turn:
    """The decided request. Its marks are wall seconds."""
    context, resources = payload["context"], payload["resources"]
    table, decision = snapshots.table(context, resources), decision_of(payload)
    return Turn(
        request=served_of(payload),
        context=context_of(payload),
        decision=decision,
        table=table,
        inflight=inflight_of(payload),
        spec=table.targets[table.index[decision.target]].spec,
        marks_s=(
            context["started_s"],
            context["read_s"],
            resources["seen_s"],
            payload["decision"]["decided_s"],
        ),
    )


# ---- what a failed stage leaves ------------------------------------------------------------------------------------------


def notes_of(tried: Tried, attempts: list[Attempt], executing_s: float) -> dict[str, Any]:
    """What the next leg must know."""
    return {
        "order": list(tried.order),
        "again": [[target, error_to_json(error)] for target, error in tried.again],
        "counts": dict(tried.counts),
        "left": tried.left,
        "last": error_to_json(tried.last),
        "attempts": [to_json(attempt) for attempt in attempts],
        "executing_s": executing_s,
    }


def tried_of(notes: Payload) -> Tried:
    """Where the legs before stopped."""
    return Tried(
        order=tuple(notes["order"]),
        again=tuple((target, target_error(told)) for target, told in notes["again"]),
        counts=notes["counts"],
        left=notes["left"],
        last=target_error(notes["last"]),
    )


def attempts_of(notes: Payload) -> list[Attempt]:
    return [from_json(Attempt, attempt) for attempt in notes["attempts"]]


def told_of(caught: Mapping[str, str]) -> Mapping[str, Any]:
    """What a failed stage said, from the `Cause` that the state machine was given; no words of ours where the machine
    died or the time passed."""
    try:
        message = json.loads(json.loads(caught["Cause"])["errorMessage"])
    except (KeyError, TypeError, ValueError):
        return {"error": caught.get("Error", "")}
    return message if isinstance(message, dict) else {"error": caught.get("Error", "")}
