"""From what is known of an answer to a chance, and from a chance to whether it is kept."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router_core.learning.verification import (
    FEATURES,
    NOTHING_KEPT,
    UNFITTED,
    Group,
    Keeping,
    Signs,
    features,
    from_document,
    to_document,
)

shares = st.none() | st.floats(0, 1)


known = st.builds(
    Signs, before=st.floats(0, 1), tokens=st.integers(0, 10**6), malformed=st.booleans(),
    logprob=st.none() | st.floats(-50, 0), sample=shares, second=shares, verifier=shares,
)  # fmt: skip


@given(known)
def test_a_chance_is_a_chance_and_each_sign_moves_it_the_right_way(signs: Signs) -> None:
    sure = UNFITTED.chance("any", signs)
    assert 0.0 <= sure <= 1.0 and len(features(signs)) == len(FEATURES)
    for name in ("sample", "second", "verifier"):
        least, most = (UNFITTED.chance("any", signs.told({name: said})) for said in (0.0, 1.0))
        assert least <= most


def test_without_a_fit_the_bound_is_the_declared_one() -> None:
    assert UNFITTED.keep_above("any", 0.05) == 0.95


def test_a_fit_gives_the_bound_of_the_share_that_was_asked_for() -> None:
    keeping = Keeping(groups={"*": Group(bounds=((0.02, NOTHING_KEPT), (0.05, 0.8), (0.1, 0.6)), judged=9)})
    assert [keeping.keep_above("x", share) for share in (0.01, 0.02, 0.05, 0.07, 0.3)] == [
        NOTHING_KEPT, NOTHING_KEPT, 0.8, 0.8, 0.6,
    ]  # fmt: skip
    assert from_document(json.loads(json.dumps(to_document(keeping)))) == keeping


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "other/1"},
        {"features": ["always"]},
        {"groups": []},
        {"groups": {"*": {"weights": [1.0], "bounds": [], "judged": 1, "audited": 0}}},
        {
            "groups": {
                "*": {"weights": [float("nan")] * len(FEATURES), "bounds": [], "judged": 1, "audited": 0}
            }
        },
        {
            "groups": {
                "*": {"weights": [0.0] * len(FEATURES), "bounds": [[2, 0.5]], "judged": 1, "audited": 0}
            }
        },
    ],
)
def test_a_document_that_is_none_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"(document|features|numbers|bounds)"):
        from_document({**to_document(UNFITTED), **change})
