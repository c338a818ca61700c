"""Records survive a trip through JSON to the bit, whatever is in them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router_core import errors
from router_core.decision import Prediction, RoutingDecision
from router_core.execution import Attempt, Choice, Execution, Handoff, Output, Served, Usage
from router_core.inference import Caller, Device, InferenceRequest, Location, Params, Preferences, Privacy
from router_core.payload import error_from_json, error_to_json, from_json, to_json

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | FLOATS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
OBJECT = st.dictionaries(TEXT, JSON, max_size=3)
TIERS = st.lists(st.sampled_from(("device", "mec", "cloud")), max_size=3).map(tuple)
USAGE = st.builds(
    Usage, prompt_tokens=st.integers(0), completion_tokens=st.integers(0), estimated=st.booleans()
)
ATTEMPTS = st.lists(
    st.builds(
        Attempt,
        target=TEXT,
        outcome=TEXT,
        latency_ms=FLOATS,
        error=st.none() | TEXT,
        ttft_ms=st.none() | FLOATS,
        usage=USAGE,
        cost_usd=FLOATS,
    ),
    max_size=3,
).map(tuple)
REQUESTS = st.builds(
    InferenceRequest,
    request_id=TEXT,
    received_s=FLOATS,
    caller=st.builds(Caller, tenant=TEXT, key_id=TEXT, tiers=TIERS),
    messages=st.lists(OBJECT, max_size=3).map(tuple),
    task=st.none() | TEXT,
    params=st.builds(
        Params,
        temperature=st.none() | FLOATS,
        response_format=st.none() | OBJECT,
        tools=st.lists(OBJECT, max_size=2).map(tuple),
        extra=OBJECT,
    ),
    preferences=st.builds(
        Preferences, tiers=TIERS, max_cost_usd=st.none() | FLOATS, fallback=st.none() | st.booleans()
    ),
    device=st.builds(Device, models=st.lists(TEXT, max_size=2).map(tuple), battery=st.none() | FLOATS),
    location=st.builds(Location, lat=st.none() | FLOATS),
    privacy=st.builds(Privacy, compliance=st.lists(TEXT, max_size=2).map(tuple)),
    metadata=st.dictionaries(TEXT, TEXT, max_size=2),
)
DECISIONS = st.builds(
    RoutingDecision,
    scores=st.dictionaries(TEXT, FLOATS, max_size=3),
    rejected=st.dictionaries(TEXT, TEXT, max_size=3),
    fallbacks=st.lists(TEXT, max_size=3).map(tuple),
    confidence=FLOATS,
    propensity=FLOATS,
    prediction=st.builds(Prediction, latency_ms=FLOATS, cost_usd=FLOATS, energy_j=FLOATS, quality=FLOATS),
)
OUTPUTS = st.builds(
    Output,
    choices=st.lists(
        st.builds(Choice, text=st.none() | TEXT, tool_calls=st.lists(OBJECT, max_size=2).map(tuple), logprobs=st.none() | OBJECT),
        max_size=2,
    ).map(tuple),
    json=st.none() | OBJECT,
    vectors=st.lists(st.lists(FLOATS, max_size=3).map(tuple), max_size=2).map(tuple),
)  # fmt: skip
EXECUTIONS = st.builds(
    Execution,
    served=st.builds(Served, target=TEXT, tier=TEXT, model=TEXT),
    output=OUTPUTS,
    usage=USAGE,
    attempts=ATTEMPTS,
    cost_usd=FLOATS,
    energy_j=FLOATS,
    execution_ms=FLOATS,
    handoff=st.none() | st.builds(Handoff, source=TEXT, to=TEXT, at_chars=st.integers(0)),
)


@given(st.one_of(REQUESTS, DECISIONS, EXECUTIONS))
def test_a_record_comes_back_equal(record: Any) -> None:
    travelled = json.loads(json.dumps(to_json(record), allow_nan=False))
    assert from_json(type(record), travelled) == record


def test_what_has_its_default_does_not_travel() -> None:
    request = InferenceRequest(
        request_id="r", received_s=1.0, caller=Caller(tenant="t", key_id="k"), messages=()
    )
    assert set(to_json(request)) == {"request_id", "received_s", "caller", "messages"}


LAST = errors.ThrottledError("slow down", retry_after_s=2.5)
ATTEMPT = Attempt(target="mec/a", outcome="throttled", latency_ms=1.5, error="slow down")
OURS = [
    errors.NoPermittedTargetError("none", rejected={"a": "b"}),
    errors.NoCapacityError("busy", rejected={"a": "b"}, retry_after_s=5.0),
    errors.AllTargetsFailedError((ATTEMPT,), LAST),
    errors.DeadlineError((ATTEMPT,), 900.0),
    errors.RequestError("wrong", field="$.x"),
    errors.RateLimitedError("wait", retry_after_s=1.0),
    errors.TimeoutTargetError("late"),
    errors.UnavailableError("gone"),
    errors.RefusedError("no"),
    errors.StoreError("away"),
    LAST,
]


@pytest.mark.parametrize("error", OURS, ids=lambda error: type(error).__name__)
def test_an_error_comes_back_as_the_same(error: errors.TierwiseError) -> None:
    back = error_from_json(json.loads(json.dumps(error_to_json(error))))
    assert type(back) is type(error)
    assert str(back) == str(error)
    for name in ("rejected", "retry_after_s", "attempts", "deadline_ms", "field"):
        assert getattr(back, name, None) == getattr(error, name, None)


@pytest.mark.parametrize(
    "told", [{}, {"error": "States.Timeout"}, {"error": "annotations"}, {"error": "TYPE_CHECKING"}]
)
def test_a_name_that_is_none_of_ours_is_a_lost_stage(told: dict[str, str]) -> None:
    assert type(error_from_json(told)) is errors.LostError
