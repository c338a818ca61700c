"""What the learned scorer foresees counts as far as the policy says, loses by doubt, and replays to the bit."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from agents.context import ContextAgent
from router_core.context import RequestContext
from router_core.inference import Caller, InferenceRequest
from router_core.learning.scorer import Predicted
from router_core.policy.parse import from_document
from router_core.resources import ResourceState, Target, TargetSpec, TargetState
from router_core.routing import objective
from router_core.routing.table import compile_table
from tests.unit.routing.strategies import contexts, fractions, resource_states

UNASKED = from_document({})
SHARED = from_document({"scorer": {"share": 0.7}})
HARD = Predicted(quality=(0.2, 0.5, 0.9), tokens=(300.0, 200.0, 100.0), doubt=0.0)
seen = st.tuples(fractions, fractions, fractions, fractions).map(lambda v: tuple(round(x, 4) for x in v))


def asked(text: str = "Prove it.", task: str = "chat", max_tokens: int | None = None) -> InferenceRequest:
    request = InferenceRequest(
        request_id="r1",
        received_s=0.0,
        caller=Caller(tenant="acme", key_id="k"),
        task=task,
        messages=({"role": "user", "content": text},),
    )
    return replace(request, params=replace(request.params, max_tokens=max_tokens))


def tiers() -> ResourceState:
    kinds = (("device", "onnx"), ("mec", "openai"), ("cloud", "bedrock"))
    made = [TargetSpec(name=f"{t}/a", tier=t, kind=k, model="m", quality_default=0.6) for t, k in kinds]
    return ResourceState.of(tuple(Target(spec=spec, state=TargetState(health="up")) for spec in made))


@given(contexts, seen, resource_states, st.integers(0, 3))
def test_few_and_many_targets_have_the_same_bits_and_features_come_back(
    context: RequestContext, foreseen: tuple[float, ...], state: ResourceState, busy: int
) -> None:
    context = replace(context, foreseen=foreseen)
    table = compile_table(state, SHARED)
    extra = objective._extra_ms(context, table, ((0, busy),))
    assert objective._few(context, table, extra) == objective._many(context, table, extra)
    assert RequestContext.from_features(json.loads(json.dumps(context.features()))) == context


def test_a_policy_without_a_share_asks_nobody() -> None:
    def never(text: str) -> Predicted:
        raise AssertionError("asked")

    assert ContextAgent(never).read(asked(), UNASKED).foreseen == ()
    assert ContextAgent(never).read(asked(task="command"), SHARED).foreseen == ()


def test_the_foreseen_quality_takes_its_share_of_the_declared_one() -> None:
    context = ContextAgent(lambda text: HARD).read(asked(), SHARED)
    assert context.foreseen == (0.2, 0.5, 0.9, 0.0)
    assert context.output_tokens == 200
    table = compile_table(tiers(), SHARED)
    plain = replace(context, foreseen=())
    before, after = (
        dict(zip(table.names, objective.weigh(c, table, ()).quality, strict=True)) for c in (plain, context)
    )
    for tier, chance in zip(("device", "mec", "cloud"), HARD.quality, strict=True):
        expected = before[f"{tier}/a"] + 0.7 * (chance - before[f"{tier}/a"])
        assert abs(after[f"{tier}/a"] - expected) < 1e-12


def test_full_doubt_leaves_the_declared_quality() -> None:
    context = ContextAgent(lambda text: replace(HARD, doubt=1.0)).read(asked(), SHARED)
    table = compile_table(tiers(), SHARED)
    assert (
        objective.weigh(context, table, ()).quality
        == objective.weigh(replace(context, foreseen=()), table, ()).quality
    )


def test_what_the_caller_allows_bounds_the_foreseen_length() -> None:
    assert ContextAgent(lambda text: HARD).read(asked(max_tokens=50), SHARED).output_tokens == 50
