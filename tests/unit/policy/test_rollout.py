"""The split between two policies: as large as asked for, the same for a session, growing without anybody leaving."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router_core.errors import ConfigurationError
from router_core.policy.parse import from_document
from router_core.policy.rollout import MAX_WORDS, Change, Rollout, Shift, parse_shift, place, rollout

STABLE = from_document({"name": "stable"})
CANARY = from_document({"name": "canary", "version": 2})
SESSIONS = 4_000
shares = st.floats(0.0, 1.0)
names = st.text(max_size=40)


def served(tenant: str, share: float) -> set[int]:
    """Which of a tenant's sessions the canary serves."""
    both = Rollout(stable=STABLE, canary=CANARY, share=share)
    return {i for i in range(SESSIONS) if both.policy_for(place(tenant, f"s-{i}", None, "r")) is CANARY}


@pytest.mark.parametrize("tenant", ["acme", "globex", ""])
@pytest.mark.parametrize("share", [0.01, 0.1, 0.3, 0.5, 0.9])
def test_the_canary_gets_its_share_within_three_sigma(tenant: str, share: float) -> None:
    sigma = math.sqrt(SESSIONS * share * (1.0 - share))
    assert abs(len(served(tenant, share)) - SESSIONS * share) <= 3.0 * sigma


def test_requests_without_session_and_user_are_split_too() -> None:
    part = sum(place("acme", None, None, f"req_{i}") < 0.3 for i in range(SESSIONS))
    assert abs(part - SESSIONS * 0.3) <= 3.0 * math.sqrt(SESSIONS * 0.3 * 0.7)


def test_tenants_are_split_independently() -> None:
    """Of one tenant's canary sessions, another tenant's of the same names are a share like any other."""
    here, there = served("acme", 0.3), served("globex", 0.3)
    sigma = math.sqrt(len(here) * 0.3 * 0.7)
    assert abs(len(here & there) - 0.3 * len(here)) <= 3.0 * sigma


@given(tenant=names, session=names, share=shares, more=shares)
def test_a_growing_share_takes_no_session_away(tenant: str, session: str, share: float, more: float) -> None:
    small, large = sorted((share, more))
    fraction = place(tenant, session, None, "r")
    if Rollout(stable=STABLE, canary=CANARY, share=small).policy_for(fraction) is CANARY:
        assert Rollout(stable=STABLE, canary=CANARY, share=large).policy_for(fraction) is CANARY


@given(tenant=names, session=names, users=st.tuples(names, names), requests=st.tuples(names, names))
def test_a_session_has_one_place_whoever_asks_in_it(
    tenant: str, session: str, users: tuple[str, str], requests: tuple[str, str]
) -> None:
    first, second = (place(tenant, session, users[i], requests[i]) for i in range(2))
    assert first == second
    assert 0.0 <= first < 1.0


@given(tenant=names, user=names, requests=st.tuples(names, names))
def test_a_user_without_session_has_one_place(tenant: str, user: str, requests: tuple[str, str]) -> None:
    assert place(tenant, None, user, requests[0]) == place(tenant, None, user, requests[1])


def test_names_that_only_join_alike_have_different_places() -> None:
    places = {
        place("ab", "c", None, "r"),
        place("a", "bc", None, "r"),
        place("ab", None, "c", "r"),
        place("ab", None, None, "c"),
    }
    assert len(places) == 4


@given(share=shares)
def test_nobody_and_everybody(share: float) -> None:
    fraction = place("acme", f"s-{share}", None, "r")
    assert Rollout(stable=STABLE, canary=CANARY, share=0.0).policy_for(fraction) is STABLE
    assert Rollout(stable=STABLE, canary=CANARY, share=1.0).policy_for(fraction) is CANARY


def test_a_canary_that_changes_nothing_or_serves_nobody_is_none() -> None:
    alone = Rollout(stable=STABLE)
    assert rollout(STABLE, CANARY, 0.0) == alone
    assert rollout(STABLE, from_document({"name": "stable"}), 0.5) == alone
    assert rollout(STABLE, None, 0.5) == alone
    assert rollout(STABLE, CANARY, 0.5) == Rollout(stable=STABLE, canary=CANARY, share=0.5)


words = st.text(max_size=MAX_WORDS)
changes = st.builds(Change, action=words, at=words, by=words, why=words, before=words, after=words)


@given(
    shift=st.builds(
        Shift, share=shares, previous=st.none() | st.integers(1, 10_000), change=st.none() | changes
    )
)
def test_a_rollout_document_reads_back_as_it_was_written(shift: Shift) -> None:
    assert parse_shift(shift.as_text()) == shift


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{", '{"share": 2}', '{"share": true}', '{"share": "1"}', '{"share": NaN}', "{}", '{"share": 0.1, "x": 1}',
        '{"share": 0.1, "previous": "2"}', '{"share": 0.1, "change": {"by": "a"}}', '{"share": 0.1, "change": 1}',
        "[" * 100_000,
    ],
)  # fmt: skip
def test_any_other_rollout_document_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="rollout: "):
        parse_shift(text)
