"""What may be proposed: a closed list of keys, each within its range and one step; everything else is refused."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.deliberation.background_questions import NONE, wishes_of
from agents.proposals.permitted import (
    MOST_KEYS,
    PERMITTED,
    Wish,
    changed,
    check,
    moved_between,
    room,
    value_of,
)
from router_core.errors import RequestError
from router_core.policy.diff import diff
from router_core.policy.parse import from_document, parse, to_document
from tests.unit.proposals.round import rules

NEVER = (
    "privacy", "tiers", "compliance", "limits", "deliberation", "judging", "proposals", "raise_privacy", "retry", "breaker", "guard",
)  # fmt: skip


def test_no_permitted_key_is_about_who_may_see_what_or_what_is_spent() -> None:
    assert not [key for key in PERMITTED if any(word in key for word in NEVER)]
    document = to_document(rules())
    for key in PERMITTED:
        assert isinstance(value_of(rules(), key), float), key
        assert key.split(".")[0] in document


@pytest.mark.parametrize(
    "key", ["tiers.cloud.max_privacy", "deliberation_limits.usd_per_day", "proposals.max_step", "x", ""]
)
def test_a_key_that_is_not_listed_is_refused(key: str) -> None:
    with pytest.raises(RequestError, match="may not change"):
        changed(rules(), (Wish(key=key, value=0.5),))


@pytest.mark.parametrize(
    "wishes",
    [
        (),
        (("objectives.balanced.cost", 0.9),),
        (("objectives.balanced.cost", 0.2),),
        (("objectives.balanced.cost", math.nan),),
        (("objectives.balanced.cost", math.inf),),
        (("objectives.balanced.cost", 0.25), ("objectives.balanced.cost", 0.26)),
        (("exploration.rate", 0.05),),
        tuple((key, 0.21) for key in list(PERMITTED)[: MOST_KEYS + 1]),
    ],
)
def test_too_far_nothing_and_too_much_are_refused(wishes: tuple[tuple[str, float], ...]) -> None:
    with pytest.raises(RequestError):
        changed(rules(), tuple(Wish(key=key, value=value) for key, value in wishes))


def test_exploration_never_passes_its_own_bound() -> None:
    assert room(rules(max_exploration=0.01, max_step=1.0), "exploration.rate") == (0.0, 0.01)


def test_a_document_that_changes_more_than_it_says_is_refused() -> None:
    old = rules()
    for section, change in (
        ("tiers", {"cloud": {"max_privacy": "confidential"}}),
        ("raise_privacy_by_pii", False),
        ("proposals", {"mode": "canary", "max_step": 1.0}),
    ):
        document = {**to_document(changed(old, (Wish(key="cache.ttl_s", value=310.0),)))}
        document[section] = {**document[section], **change} if isinstance(change, dict) else change
        with pytest.raises(RequestError):
            check(from_document(document), old)


@st.composite
def answers(draw: st.DrawFn) -> dict[str, Any]:
    """Whatever a model may say within the form."""
    said: dict[str, Any] = {}
    for number in range(1, MOST_KEYS + 1):
        said[f"key_{number}"] = draw(st.sampled_from((NONE, *PERMITTED)))
        said[f"direction_{number}"] = draw(st.sampled_from(("raise", "lower")))
        said[f"size_{number}"] = draw(st.floats(0.0, 1.0))
    return said


@given(answers(), st.floats(0.001, 1.0))
def test_whatever_is_drafted_stays_inside_the_limits_or_is_refused(
    answer: dict[str, Any], step: float
) -> None:
    old = rules(max_step=step)
    wishes = wishes_of(old, answer)
    try:
        new = changed(old, wishes)
    except RequestError:
        return
    keys = {change.key for change in diff(old, new)} - {"version"}
    assert keys == {wish.key for wish in wishes} and len(keys) <= MOST_KEYS
    for one in moved_between(new, old):
        low, high = room(old, one.key)
        assert low - 1e-6 <= one.after <= high + 1e-6
    assert new.label == f"{old.name}@{old.version + 1}"
    assert (
        parse(
            str(to_document(new))
            .replace("'", '"')
            .replace("True", "true")
            .replace("False", "false")
            .replace("None", "null")
        )
        == new
    )
