"""Guards outside: who is shown what, and what it means when nobody answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agents.guarding.outside import Asking, Guards, PlacedGuard, fires, may_see
from router_core.policy.document import Policy
from router_core.policy.guarding import GuardRule
from router_core.ports import GuardCall, GuardVerdict
from tests.e2e.safety.house import POISON, OneWord
from tests.fakes import FakeClock
from tests.unit.deliberation.thinking import weighing

RULE = GuardRule(name="asked", on="moderation", action="block", guards=("near", "far"))
POLICY = Policy()
CONTEXT = weighing().context


def placed(
    guard: OneWord, tier: str, groups: tuple[str, ...] = ("eu",), max_privacy: str | None = None
) -> PlacedGuard:
    return PlacedGuard(guard=guard, tier=tier, groups=groups, max_privacy=max_privacy)


@pytest.mark.parametrize(
    ("changes", "tier", "sees"),
    [
        ({}, "cloud", True),
        ({"privacy": 2}, "cloud", False),
        ({"privacy": 3}, "cloud", False),
        ({"privacy": 3}, "mec", True),
        ({"residency": ("eu",)}, "cloud", True),
        ({"residency": ("us",)}, "cloud", False),
        ({"residency": ("us",)}, "mec", False),
        ({"tiers": ("device", "mec")}, "cloud", False),
        ({"guard_tiers": ("device",)}, "mec", False),
        ({"offline": True}, "mec", False),
        ({"offline": True}, "device", True),
    ],
)
def test_a_guard_is_shown_what_a_target_in_its_place_might_be(
    changes: dict[str, Any], tier: str, sees: bool
) -> None:
    context = replace(CONTEXT, **changes)
    assert may_see(context, POLICY, placed(OneWord(), tier)) is sees


def test_its_own_bound_counts() -> None:
    assert not may_see(CONTEXT, POLICY, placed(OneWord(), "mec", max_privacy="public"))


async def test_the_first_that_may_be_asked_and_answers_decides() -> None:
    near, far = OneWord(down=True), OneWord()
    asking = Asking(Guards(placed={"near": placed(near, "mec"), "far": placed(far, "cloud")}), FakeClock())
    verdict = await asking.judged(RULE, GuardCall(text=POISON), CONTEXT, POLICY)
    assert isinstance(verdict, GuardVerdict) and verdict.flagged
    secret = replace(CONTEXT, privacy=3)
    assert await asking.judged(RULE, GuardCall(text=POISON), secret, POLICY) == "down"
    assert len(far.calls) == 1


async def test_restricted_text_reaches_no_guard_in_the_cloud() -> None:
    far = OneWord()
    asking = Asking(Guards(placed={"far": placed(far, "cloud")}), FakeClock())
    assert (
        await asking.judged(RULE, GuardCall(text="x"), replace(CONTEXT, privacy=3), POLICY) == "not_permitted"
    )
    assert far.calls == []


async def test_a_guard_that_keeps_failing_is_left_alone() -> None:
    near = OneWord(down=True)
    asking = Asking(Guards(placed={"near": placed(near, "mec")}), FakeClock())
    for _ in range(20):
        assert await asking.judged(RULE, GuardCall(text="x"), CONTEXT, POLICY) == "down"
    assert len(near.calls) == POLICY.breaker.failures


async def test_a_rule_about_categories_leaves_others() -> None:
    rule = replace(RULE, categories=("violence",))
    assert fires(rule, GuardVerdict(flagged=False, categories={"violence": 0.9}))
    assert not fires(rule, GuardVerdict(flagged=True, categories={"hate": 1.0}))
    assert fires(RULE, GuardVerdict(flagged=True))
    assert not fires(RULE, GuardVerdict(categories={"hate": 0.1}))


async def test_nobody_is_asked_about_nothing() -> None:
    near = OneWord()
    asking = Asking(Guards(placed={"near": placed(near, "mec")}), FakeClock())
    assert await asking.judged(RULE, GuardCall(text=" \n"), CONTEXT, POLICY) == GuardVerdict()
    assert near.calls == []
