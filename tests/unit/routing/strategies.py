"""Generated targets, states and requests, as hostile as the types allow."""

from __future__ import annotations

from hypothesis import strategies as st

from router_core.context import RequestContext
from router_core.inference import OBJECTIVES, PRIVACY_LEVELS, THERMALS, TIERS
from router_core.resources import ResourceState, Target, TargetSpec, TargetState

TASKS = ("chat", "command", "classify", "extract", "summarize", "embed")
CLASSES = ("simple", "complex", "critical", "batch")
GROUPS = ("eu", "us", "apac")

fractions = st.floats(0.0, 1.0)
unit_names = st.integers(0, 30)


@st.composite
def specs(draw: st.DrawFn, number: int) -> TargetSpec:
    tier = draw(st.sampled_from(TIERS))
    return TargetSpec(
        name=f"{tier}/t{number}",
        tier=tier,
        kind={"device": "onnx", "mec": "openai", "cloud": "bedrock"}[tier],
        model=f"m{number % 3}",
        tasks=tuple(draw(st.sets(st.sampled_from(TASKS), min_size=1))),
        modalities=("text", *draw(st.sets(st.sampled_from(("image", "audio"))))),
        tools=draw(st.booleans()),
        json_output=draw(st.booleans()),
        context_tokens=draw(st.sampled_from((128, 4096, 200_000))),
        price_in=draw(st.floats(0.0, 20.0)),
        price_out=draw(st.floats(0.0, 80.0)),
        groups=tuple(draw(st.sets(st.sampled_from(GROUPS)))),
        lat=draw(st.none() | st.floats(-90.0, 90.0)),
        lon=draw(st.floats(-180.0, 180.0)),
        max_privacy=draw(st.none() | st.sampled_from(PRIVACY_LEVELS)),
        max_concurrency=draw(st.integers(1, 64)),
        memory_mb=draw(st.floats(0.0, 500.0)),
        ttft_ms=draw(st.floats(0.1, 5000.0)),
        decode_ms=draw(st.floats(0.0, 100.0)),
        quality_default=draw(fractions),
        capability=draw(fractions),
        energy_token_j=draw(st.floats(0.0, 10.0)),
    )


states = st.builds(
    TargetState,
    health=st.sampled_from(("up", "up", "up", "unknown", "down", "draining")),
    breaker=st.sampled_from(("closed", "closed", "half_open", "open")),
    queue_ms=st.floats(0.0, 10_000.0),
    saturation=st.floats(0.0, 2.0),
    error_rate=fractions,
    quality_delta=st.floats(-0.3, 0.3),
    quality_fit=st.just(()) | st.tuples(*[st.floats(-0.4, 0.4)] * 7),
    throttled=st.sampled_from((False, False, False, True)),
)


@st.composite
def targets(draw: st.DrawFn, most: int = 8) -> tuple[Target, ...]:
    numbers = draw(st.lists(unit_names, min_size=1, max_size=most, unique=True))
    return tuple(Target(spec=draw(specs(number)), state=draw(states)) for number in numbers)


resource_states = targets().map(ResourceState.of)

contexts = st.builds(
    RequestContext,
    request_id=st.uuids().map(str),
    tenant=st.just("acme"),
    task=st.sampled_from(TASKS),
    request_class=st.sampled_from(CLASSES),
    complexity=fractions,
    prompt_tokens=st.integers(0, 100_000),
    output_tokens=st.integers(0, 4096),
    max_output_tokens=st.integers(1, 4096),
    fit_tokens=st.integers(1, 110_000),
    modalities=st.sampled_from((1, 1, 3, 5, 7)),
    tools=st.booleans(),
    json=st.booleans(),
    stream=st.booleans(),
    privacy=st.integers(0, 3),
    residency=st.sets(st.sampled_from(GROUPS), max_size=2).map(sorted).map(tuple),
    optimize=st.sampled_from(OBJECTIVES),
    tiers=st.sets(st.sampled_from(TIERS), min_size=1).map(sorted).map(tuple),
    pinned=st.none() | unit_names.map(lambda n: f"mec/t{n}"),
    fallback=st.booleans(),
    max_latency_ms=st.none() | st.floats(1.0, 600_000.0),
    max_cost_usd=st.none() | st.floats(0.0, 1.0),
    min_quality=st.none() | fractions,
    offline=st.sampled_from((False, False, False, True)),
    executes=st.booleans(),
    battery=st.none() | fractions,
    thermal=st.none() | st.sampled_from(THERMALS),
    memory_free_mb=st.none() | st.floats(0.0, 1000.0),
    cpu_load=st.none() | fractions,
    rtt_ms=st.none() | st.floats(0.0, 1000.0),
    position=st.none() | st.just((0.6, 0.1, 0.79)),
    session_target=st.none() | unit_names.map(lambda n: f"mec/t{n}"),
)
