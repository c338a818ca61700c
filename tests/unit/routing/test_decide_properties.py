"""What holds for every decision, whatever the request, the targets and their state."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router_core.context import RequestContext
from router_core.decision import RoutingDecision
from router_core.errors import NoTargetError
from router_core.inference import PRIVACY_LEVELS
from router_core.policy.document import Exploration, Policy
from router_core.resources import ResourceState, Target
from router_core.routing import objective
from router_core.routing.decide import decide
from router_core.routing.table import TargetTable, compile_table
from tests.unit.routing.strategies import contexts, resource_states

POLICY = Policy(sha256="p")
EXPLORING = replace(POLICY, exploration=Exploration(rate=0.5))


def outcome(context: RequestContext, table: TargetTable) -> RoutingDecision | NoTargetError:
    try:
        return decide(context, table)
    except NoTargetError as error:
        return error


def chosen(context: RequestContext, table: TargetTable) -> RoutingDecision | None:
    result = outcome(context, table)
    return result if isinstance(result, RoutingDecision) else None


def may_serve(context: RequestContext, target: Target, policy: Policy = POLICY) -> bool:
    """The hard constraints once more, written independently and one target at a time."""
    spec, state = target.spec, target.state
    bound = spec.max_privacy or policy.tiers[spec.tier].max_privacy
    wanted = {"image": 2, "audio": 4}
    return all(
        (
            spec.tier in context.tiers,
            context.task in spec.tasks,
            all(name in spec.modalities for name, bit in wanted.items() if context.modalities & bit),
            spec.tools or not context.tools,
            spec.json_output or not context.json,
            context.privacy <= PRIVACY_LEVELS.index(bound),
            not (context.privacy == 3 and spec.tier == "cloud"),
            set(context.residency) <= set(spec.groups),
            not (context.offline and spec.tier != "device"),
            context.fit_tokens <= spec.context_tokens,
            state.health not in ("down", "draining"),
            state.breaker != "open",
            not state.throttled,
            state.saturation < policy.thresholds.saturation,
            context.max_cost_usd is None
            or spec.cost_usd(context.prompt_tokens, context.max_output_tokens)
            <= context.max_cost_usd + 1e-12,
        )
    )


@given(contexts, resource_states)
def test_choice_and_fallbacks_pass_every_filter(context: RequestContext, state: ResourceState) -> None:
    """Nothing that a hard constraint removes is chosen or kept as a fallback."""
    by_name = {target.spec.name: target for target in state.targets}
    decision = chosen(context, compile_table(state, POLICY))
    if decision is not None:
        for name in (decision.target, *decision.fallbacks):
            assert may_serve(context, by_name[name]), name


@given(contexts, resource_states)
def test_restricted_content_never_reaches_the_cloud(context: RequestContext, state: ResourceState) -> None:
    """Even when every other target is down, a restricted request has no way to a cloud target."""
    context = replace(context, privacy=3)
    down = tuple(
        target if target.spec.tier == "cloud" else replace(target, state=replace(target.state, health="down"))
        for target in state.targets
    )
    for targets in (state.targets, down):
        decision = chosen(context, compile_table(ResourceState.of(targets), EXPLORING))
        if decision is not None:
            assert all(not name.startswith("cloud/") for name in (decision.target, *decision.fallbacks))


@given(contexts, resource_states)
def test_fallbacks_are_distinct_and_ordered(context: RequestContext, state: ResourceState) -> None:
    """Fallbacks never repeat, never name the choice, and fall in score; none when the caller wants none."""
    decision = chosen(context, compile_table(state, POLICY))
    if decision is not None:
        scores = [decision.scores[name] for name in decision.fallbacks]
        assert scores == sorted(scores, reverse=True)
        assert len({decision.target, *decision.fallbacks}) == 1 + len(decision.fallbacks)
        assert context.fallback or not decision.fallbacks


@given(contexts, resource_states)
def test_scores_and_rejections_name_every_target(context: RequestContext, state: ResourceState) -> None:
    """Every target is accounted for exactly once, with a score in [0, 1] or a reason."""
    result = outcome(context, compile_table(state, POLICY))
    names = {target.spec.name for target in state.targets}
    if isinstance(result, NoTargetError):
        assert set(result.rejected) == names
    else:
        assert set(result.scores) | set(result.rejected) == names
        assert not set(result.scores) & set(result.rejected)
        assert all(0.0 <= score <= 1.0 for score in result.scores.values())
        assert all(": " in reason for reason in result.rejected.values())


@given(contexts, resource_states, st.randoms(use_true_random=False))
def test_order_of_targets_does_not_matter(
    context: RequestContext, state: ResourceState, random: object
) -> None:
    """Shuffled targets give the same decision to the bit."""
    shuffled = list(state.targets)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis gives a random.Random
    again = ResourceState.of(tuple(shuffled))
    first, second = (
        chosen(context, compile_table(state, POLICY)),
        chosen(context, compile_table(again, POLICY)),
    )
    assert first == second


@given(contexts, resource_states, st.floats(0.0, 0.3))
def test_lowering_a_score_never_makes_a_target_win(
    context: RequestContext, state: ResourceState, penalty: float
) -> None:
    """A target that was not chosen is not chosen for having become worse."""
    context = replace(context, pinned=None)
    before = chosen(context, compile_table(state, POLICY))
    if before is None:
        return
    for i, target in enumerate(state.targets):
        worse = replace(target.spec, quality_default=max(0.0, target.spec.quality_default - penalty))
        changed = (*state.targets[:i], replace(target, spec=worse), *state.targets[i + 1 :])
        after = chosen(context, compile_table(ResourceState.of(changed), POLICY))
        assert after is not None
        if target.spec.name != before.target:
            assert after.target != target.spec.name


@given(contexts, resource_states, st.integers(0, 5))
def test_few_and_many_targets_are_weighed_to_the_same_bits(
    context: RequestContext, state: ResourceState, busy: int
) -> None:
    """The loop and the columns are one formula: every estimate and score has the same bits."""
    table = compile_table(state, POLICY)
    extra = objective._extra_ms(context, table, ((0, busy),))
    assert objective._few(context, table, extra) == objective._many(context, table, extra)


@given(contexts, resource_states)
def test_features_replay_to_the_bit(context: RequestContext, state: ResourceState) -> None:
    """Features and snapshot, through JSON and back, give the same decision with the same bits."""
    features = json.loads(json.dumps(context.features()))
    record = json.loads(json.dumps(state.as_record()))
    again = RequestContext.from_features(features)
    assert again == context
    restored = ResourceState.from_record(record)
    assert restored.sha256 == state.sha256
    for policy in (POLICY, EXPLORING):
        assert chosen(context, compile_table(state, policy)) == chosen(again, compile_table(restored, policy))


@given(contexts, resource_states)
def test_a_warm_table_decides_like_a_fresh_one(context: RequestContext, state: ResourceState) -> None:
    """What the table remembers of earlier requests never changes a decision."""
    warm = compile_table(state, POLICY)
    for other in (
        replace(context, privacy=(context.privacy + 1) % 4),
        replace(context, battery=0.01),
        context,
    ):
        outcome(other, warm)
    assert chosen(context, warm) == chosen(context, compile_table(state, POLICY))


@given(contexts, resource_states)
def test_propensity_is_the_share_with_which_a_target_is_chosen(
    context: RequestContext, state: ResourceState
) -> None:
    """Over many request ids the logged propensity of the favourite is how often it is chosen (4 sigma)."""
    context = replace(context, pinned=None, session_target=None, max_latency_ms=None, max_cost_usd=None)
    table = compile_table(state, EXPLORING)
    decisions = [chosen(replace(context, request_id=f"id-{i}"), table) for i in range(200)]
    first = decisions[0]
    if first is None:
        return
    for name in first.scores:
        picked = [d for d in decisions if d is not None and d.target == name]
        if picked:
            p = picked[0].propensity
            assert abs(len(picked) - 200 * p) <= 4 * (200 * p * (1 - p)) ** 0.5 + 1e-9


@pytest.mark.parametrize("guarded", [{"privacy": 3}, {"request_class": "critical"}, {"max_cost_usd": 1.0}])
@given(context=contexts, state=resource_states)
def test_guarded_requests_are_never_explored(
    guarded: dict[str, object], context: RequestContext, state: ResourceState
) -> None:
    """Restricted, critical and budgeted requests always get the policy's own choice."""
    changed = replace(context, **guarded)  # type: ignore[arg-type]  # fields named in the table above
    decision = chosen(changed, compile_table(state, EXPLORING))
    assert decision is None or (decision.propensity == 1.0 and not decision.explored)
