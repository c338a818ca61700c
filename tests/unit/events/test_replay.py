"""A logged decision, read back from its file, comes out to the bit; a changed record does not go unnoticed."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from router_core.adapters.events.frame import decode, encode
from router_core.adapters.events.reader import find
from router_core.context import RequestContext
from router_core.decision import RoutingDecision
from router_core.errors import NoTargetError, StoreError
from router_core.events import decision_record, policy_record, state_record
from router_core.inference import TASKS, TIERS
from router_core.policy.document import Policy
from router_core.policy.parse import from_document, to_document
from router_core.resources import ResourceState, Target, TargetSpec
from router_core.routing.decide import decide
from router_core.routing.replay import differences, replay, same
from router_core.routing.table import compile_table
from tests.unit.events.records import writer
from tests.unit.routing.strategies import contexts, resource_states

POLICY = from_document({"exploration": {"rate": 0.3}})
STATE = ResourceState.of(
    tuple(
        Target(
            spec=TargetSpec(
                name=f"mec/{n}", tier="mec", kind="openai", model="m", quality={"chat": n / 7}, ttft_ms=n / 3
            )
        )
        for n in (1, 2, 3)
    )
)
CONTEXT = RequestContext(
    request_id="r1", tenant="t", task="chat", request_class="simple", complexity=0.1, prompt_tokens=10, output_tokens=20,
    max_output_tokens=20, fit_tokens=40, position=(0.6, 0.1, 0.79), residency=(), max_latency_ms=1e5 / 3,
)  # fmt: skip
Triple = tuple[dict[str, Any], dict[str, Any], dict[str, Any]]


def records_of(
    context: RequestContext, state: ResourceState, policy: Policy, inflight: tuple[tuple[int, int], ...] = ()
) -> Triple:
    decision = decide(context, compile_table(state, policy), inflight)
    return (
        decision_record(1.0, context, decision, inflight),
        state_record(1.0, state.as_record()),
        policy_record(1.0, policy.sha256, to_document(policy)),
    )


def read_back(records: Triple) -> Triple:
    first, second, third = (decode(encode(record)) for record in records)
    assert first is not None and second is not None and third is not None
    return first, second, third


def with_easy_targets(state: ResourceState) -> ResourceState:
    """One more target per tier that takes nearly everything, so that most generated requests can be decided."""
    easy = [
        TargetSpec(
            name=f"{tier}/easy", tier=tier, kind="openai", model="m", tasks=TASKS, modalities=("text", "image", "audio"),
            context_tokens=1_000_000, groups=("*",), max_privacy="confidential", ttft_ms=0.1, decode_ms=0.0, rtt_ms=0.0,
        )
        for tier in TIERS
    ]  # fmt: skip
    return ResourceState.of((*state.targets, *(Target(spec=spec) for spec in easy)))


@given(context=contexts, state=resource_states.map(with_easy_targets), busy=st.integers(0, 9))
def test_any_decision_comes_out_to_the_bit(context: RequestContext, state: ResourceState, busy: int) -> None:
    try:
        records = read_back(records_of(context, state, POLICY, ((0, busy),)))
    except NoTargetError:
        assume(False)
        raise
    decision = replay(*records)
    assert differences(records[0], decision) == ()
    assert (decision.state_sha256, decision.policy_sha256) == (state.sha256, POLICY.sha256)


def test_a_decision_comes_out_of_the_log_after_rotation_has_deleted_where_its_state_was(
    tmp_path: Path,
) -> None:
    decision, state, policy = records_of(CONTEXT, STATE, POLICY)
    log = writer(tmp_path, max_bytes=6_000, keep_files=2)
    log.write([state, policy])
    for n in range(40):
        log.write([{**decision, "request_id": f"old{n}"}])
    log.write([decision])
    found = find(tmp_path, "r1")
    assert found.decision is not None and found.state is not None and found.policy is not None
    assert same(found.decision, replay(found.decision, found.state, found.policy))


def nudged(value: Any) -> Any:
    """The smallest change a value can have."""
    if isinstance(value, float):
        return math.nextafter(value, math.inf)
    if isinstance(value, str):
        return value + "x"
    return [*value, "mec/9"] if isinstance(value, list) else {**value, "mec/9": 0.5}


@pytest.mark.parametrize(
    "field",
    ["class", "policy", "policy_sha256", "state_sha256", "chosen", "tier", "propensity", "confidence", "scores", "rejected",
     "fallbacks"],
)  # fmt: skip
def test_the_smallest_change_of_any_compared_field_is_a_difference(field: str) -> None:
    records = read_back(records_of(CONTEXT, STATE, POLICY))
    decision = replay(*records)
    records[0][field] = nudged(records[0][field])
    assert differences(records[0], decision) == (field,)


@pytest.mark.parametrize("change", ["last bit of a score", "order of scores", "sign of a zero"])
def test_scores_are_compared_by_bits_and_order(change: str) -> None:
    record, *others = read_back(records_of(CONTEXT, STATE, POLICY))
    decision = replay(record, *others)
    scores = record["scores"]
    match change:
        case "last bit of a score":
            scores["mec/2"] = math.nextafter(scores["mec/2"], 0.0)
        case "order of scores":
            record["scores"] = dict(reversed(scores.items()))
        case _:
            record["propensity"], decision = -0.0, _with_zero(decision)
    assert not same(record, decision)


def _with_zero(decision: RoutingDecision) -> RoutingDecision:
    changed = copy.copy(decision)
    object.__setattr__(changed, "propensity", 0.0)
    return changed


def test_a_state_or_policy_that_was_changed_is_noticed_by_its_hash() -> None:
    record, state, policy = read_back(records_of(CONTEXT, STATE, POLICY))
    other = copy.deepcopy(state)
    other["targets"][2]["spec"]["lat"] = 1.0
    assert differences(record, replay(record, other, policy)) == ("state_sha256",)
    policy["document"]["retry"]["base_ms"] = 41.0
    assert differences(record, replay(record, state, policy)) == ("policy_sha256",)


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        (0, "features", None), (0, "features", {"request_id": "x"}), (0, "features", {"nonsense": 1}), (0, "inflight", [[9, 1]]),
        (0, "inflight", 3), (1, "targets", [{}]), (1, "targets", None),
    ],
)  # fmt: skip
def test_a_damaged_record_is_a_store_error(part: int, key: str, value: object) -> None:
    records = read_back(records_of(CONTEXT, STATE, POLICY))
    records[part][key] = value
    with pytest.raises(StoreError, match="replayed"):
        replay(*records)
