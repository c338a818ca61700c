"""Push, promote and roll back against a Parameter Store that keeps AWS's limits, and against other operators."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from gateway.cli.policy.changes import ROOM, Author, NotProvenError, PolicyChanges, named, standing
from router_core.adapters.aws.ssm_policy import look
from router_core.errors import (
    ConfigurationError,
    NotFoundError,
    StaleStateError,
    StoreError,
)
from router_core.learning.off_policy.verdict import Verdict
from router_core.policy.parse import parse
from router_core.policy.rollout import Change, parse_shift
from tests.unit.policy.fake_ssm import LABELS, VERSIONS, FakeSsm
from tests.unit.policy.parameters import POLICY, ROLLOUT, document, filled, store_of

PROVEN = Verdict(word="better", why="quality rises by 0.0300 or more")
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def changes(fake: FakeSsm) -> PolicyChanges:
    store = store_of(fake)
    return PolicyChanges(store, standing(store), Author(by="ann", why="cheaper"), now=lambda: NOON)


def push(fake: FakeSsm, name: str, share: float = 0.1, **sections: Any) -> Change:
    text = document(name, **sections)
    return changes(fake).push(parse(text), text, share)


def in_force(fake: FakeSsm) -> tuple[str, str | None, float]:
    """As a process sees it that starts now."""
    now = look(store_of(fake)).rollout
    return now.stable.name, now.canary.name if now.canary is not None else None, now.share


def last(fake: FakeSsm) -> Change | None:
    return parse_shift(fake.parameters[ROLLOUT][-1].value).change


def edit(fake: FakeSsm, times: int) -> None:
    """Somebody saves in the console, again and again, until AWS takes no more."""
    with suppress(ClientError):
        for i in range(times):
            fake.put_parameter(Name=POLICY, Value=document(f"draft-{i}"))


def test_the_first_version_of_all_is_stable_at_once() -> None:
    fake = FakeSsm()
    change = push(fake, "one")
    assert fake.labels(POLICY) == {"stable": 1}
    assert in_force(fake) == ("one", None, 0.0)
    assert change == Change(
        action="push",
        at="2026-11-21T12:00:00+00:00",
        by="ann",
        why="cheaper",
        before="none",
        after="one@1 (version 1)",
    )
    assert fake.parameters[POLICY][-1].tier == "Advanced"


def test_a_push_makes_a_canary_and_leaves_the_rest_alone() -> None:
    fake = filled("one", stable=1)
    change = push(fake, "two", 0.2)
    assert fake.labels(POLICY) == {"stable": 1, "canary": 2}
    assert in_force(fake) == ("one", "two", 0.2)
    assert (change.before, change.after) == ("one@1 (version 1)", "two@1 (version 2) for 20%")
    assert last(fake) == change


def test_a_push_to_an_environment_without_labels_pins_what_was_in_force() -> None:
    fake = filled("one", "two")
    seen: list[tuple[str, str | None, float]] = []
    fake.before = lambda _: seen.append(in_force(fake))
    push(fake, "three")
    assert in_force(fake) == ("two", "three", 0.1)
    assert {name for name, _, _ in seen} == {"two"}, "the draft was in force for nobody in between"


def test_the_canary_again_changes_only_its_share() -> None:
    fake = filled("one", stable=1)
    push(fake, "two", 0.1)
    push(fake, "two", 0.5)
    assert fake.labels(POLICY) == {"stable": 1, "canary": 2}
    assert in_force(fake) == ("one", "two", 0.5)
    assert len(fake.parameters[POLICY]) == 2


def test_another_canary_never_gets_the_share_of_the_one_before() -> None:
    fake = filled("one", stable=1)
    push(fake, "two", 0.9)
    seen: list[tuple[str, str | None, float]] = []
    fake.before = lambda _: seen.append(in_force(fake))
    push(fake, "three", 0.1)
    assert in_force(fake) == ("one", "three", 0.1)
    assert all(canary != "three" or share == 0.1 for _, canary, share in seen)


@pytest.mark.parametrize(
    ("name", "sections", "why"),
    [("one", {}, "in force already"), ("one", {"raise_privacy_by_pii": False}, "tell them apart")],
)
def test_what_would_change_nothing_or_hide_a_change_is_not_written(
    name: str, sections: dict[str, Any], why: str
) -> None:
    fake = filled("one", stable=1)
    with pytest.raises(ConfigurationError, match=why):
        push(fake, name, **sections)
    assert len(fake.parameters[POLICY]) == 1
    assert ROLLOUT not in fake.parameters


def test_promote_gives_everybody_the_canary_and_nobody_the_old_policy_again() -> None:
    fake = filled("one", stable=1)
    push(fake, "two", 0.5)
    seen: list[tuple[str, str | None, float]] = []
    fake.before = lambda _: seen.append(in_force(fake))
    change = changes(fake).promote(PROVEN)
    assert in_force(fake) == ("two", None, 0.0)
    assert fake.labels(POLICY) == {"stable": 2}
    assert (change.action, change.before, change.after) == (
        "promote", "one@1 (version 1)", "two@1 (version 2)",
    )  # fmt: skip
    assert all("two" in (stable, canary) for stable, canary, _ in seen)


def test_promote_needs_a_valid_canary() -> None:
    with pytest.raises(NotFoundError, match="push one first"):
        changes(filled("one", stable=1)).promote(PROVEN)
    fake = filled("one", "two", stable=1, canary=2, share=0.1)
    fake.parameters[POLICY][1].value = '{"unknown": 1}'
    with pytest.raises(ConfigurationError, match="unknown"):
        changes(fake).promote(PROVEN)
    assert fake.labels(POLICY)["stable"] == 1


def test_rollback_ends_a_canary_first() -> None:
    fake = filled("one", stable=1)
    push(fake, "two", 0.5)
    change = changes(fake).rollback()
    assert in_force(fake) == ("one", None, 0.0)
    assert fake.labels(POLICY) == {"stable": 1}
    assert (change.before, change.after) == ("two@1 (version 2)", "one@1 (version 1)")


def test_rollback_goes_back_to_what_was_stable_not_to_the_version_before() -> None:
    fake = filled("one", stable=1)
    edit(fake, 3)
    push(fake, "two")
    changes(fake).promote(PROVEN)
    edit(fake, 2)
    changes(fake).rollback()
    assert in_force(fake) == ("one", None, 0.0)
    with pytest.raises(NotFoundError, match="--to"):
        changes(fake).rollback()
    changes(fake).rollback(to=5)
    assert in_force(fake) == ("two", None, 0.0)


@pytest.mark.parametrize("to", [1, 9])
def test_rollback_to_nowhere_is_refused(to: int) -> None:
    fake = filled("one", "two", stable=1)
    with pytest.raises((ConfigurationError, NotFoundError)):
        changes(fake).rollback(to=to)
    assert fake.labels(POLICY) == {"stable": 1}


def test_rollback_to_a_version_that_is_no_policy_is_refused() -> None:
    fake = filled("one", stable=1)
    fake.put_parameter(Name=POLICY, Value="{}{")
    with pytest.raises(ConfigurationError, match="not valid JSON"):
        changes(fake).rollback(to=2)
    assert fake.labels(POLICY) == {"stable": 1}
    assert named(standing(store_of(fake)).version(2)) == "invalid (version 2)"


@pytest.mark.parametrize("drafts", [ROOM - 2, ROOM - 1, VERSIONS - 1, VERSIONS + 50])
def test_a_label_never_blocks_the_parameter(drafts: int) -> None:
    """However often the console was used before, a push works, and so do a hundred pushes after it."""
    fake = filled("one", stable=1)
    edit(fake, drafts)
    for i in range(4):
        push(fake, f"next-{i}", 0.3)
        changes(fake).rollback()
        assert VERSIONS - (fake.parameters[POLICY][-1].version - fake.labels(POLICY)["stable"]) > 5
        edit(fake, VERSIONS)
    push(fake, "last")
    stable, newest = fake.labels(POLICY)["stable"], fake.parameters[POLICY][-1].version
    assert newest - stable < ROOM
    assert in_force(fake) == ("one", "last", 0.1)


def test_a_hundred_changes_in_a_row_are_possible_and_each_is_on_record() -> None:
    fake = filled("one", stable=1)
    for i in range(60):
        push(fake, f"p-{i}", 0.5)
        changes(fake).promote(PROVEN)
        assert in_force(fake) == (f"p-{i}", None, 0.0)
    kept = [parse_shift(one.value).change for one in fake.parameters[ROLLOUT]]
    assert len(kept) == VERSIONS
    assert {one.action for one in kept if one is not None} == {"push", "promote"}


def test_an_old_canary_is_moved_before_it_is_promoted() -> None:
    fake = filled("one", stable=1)
    push(fake, "two", 0.1)
    edit(fake, VERSIONS - 3)
    changes(fake).promote(PROVEN)
    assert in_force(fake) == ("two", None, 0.0)
    assert fake.labels(POLICY)["stable"] > VERSIONS - 3
    changes(fake).rollback()
    assert in_force(fake) == ("one", None, 0.0)


def test_a_foreign_label_that_blocks_is_named_and_nothing_changes() -> None:
    fake = filled(*(f"p-{i}" for i in range(VERSIONS)), stable=VERSIONS)
    fake.label_parameter_version(Name=POLICY, ParameterVersion=1, Labels=["keep-me"])
    with pytest.raises(StoreError, match="move that label first"):
        push(fake, "next")
    assert fake.labels(POLICY) == {"keep-me": 1, "stable": VERSIONS}


def test_a_version_with_ten_labels_takes_no_eleventh() -> None:
    fake = filled("one", "two", stable=1)
    labels = [f"l{i}" for i in range(LABELS)]
    fake.label_parameter_version(Name=POLICY, ParameterVersion=2, Labels=labels)
    with pytest.raises(StoreError, match="ten labels"):
        changes(fake).rollback(to=2)
    assert in_force(fake) == ("one", None, 0.0)


def other_operator(fake: FakeSsm, at: str) -> None:
    """Somebody else records a change right before our operation `at`, once."""

    def intrude(operation: str) -> None:
        if operation != at:
            return
        fake.before = lambda _: None
        fake.put_parameter(Name=ROLLOUT, Value='{"share": 0.0}')

    fake.before = intrude


def test_a_label_that_moved_since_it_was_read_stops_the_change() -> None:
    fake = filled("one", "two", "three", stable=1, canary=2, share=0.1)
    ours = changes(fake)
    fake.label_parameter_version(Name=POLICY, ParameterVersion=3, Labels=["stable"])
    before = fake.labels(POLICY)

    def push_another() -> None:
        ours.push(parse(document("x")), document("x"), 0.1)

    for act in (lambda: ours.promote(PROVEN), ours.rollback, push_another):
        with pytest.raises(StaleStateError, match="somebody else changed the policy"):
            act()
    assert fake.labels(POLICY) == before
    assert len(fake.parameters[POLICY]) == 3


def test_a_write_at_the_same_moment_puts_nothing_of_ours_in_force() -> None:
    fake = filled("one", stable=1)
    store = store_of(fake)
    ours = PolicyChanges(store, standing(store), Author(by="ann", why="x"))
    original = fake.put_parameter

    def raced(**wanted: Any) -> dict[str, Any]:
        original(Name=POLICY, Value=document("theirs"))
        return original(**wanted)

    fake.put_parameter = raced  # type: ignore[method-assign]  # the fake is the other operator for once
    with pytest.raises(StaleStateError, match="is version 3 and not in force"):
        ours.push(parse(document("two")), document("two"), 0.5)
    assert fake.labels(POLICY) == {"stable": 1}
    assert in_force(fake) == ("one", None, 0.0)


def test_two_records_at_the_same_moment_are_noticed_and_both_are_kept() -> None:
    fake = filled("one", "two", stable=1, canary=2, share=0.1)
    ours = changes(fake)
    other_operator(fake, "LabelParameterVersion")
    with pytest.raises(StaleStateError, match="both kept"):
        ours.promote(PROVEN)
    assert len(fake.parameters[ROLLOUT]) == 3


def test_throttled_in_the_middle_leaves_a_state_that_the_next_attempt_completes() -> None:
    fake = filled("one", stable=1)
    push(fake, "two", 0.5)

    def fail(operation: str) -> None:
        fake.failing = "ThrottlingException" if operation == "PutParameter" else None

    fake.before = fail
    with pytest.raises(StoreError, match="throttled"):
        changes(fake).promote(PROVEN)
    fake.failing, fake.before = None, lambda _: None
    assert in_force(fake) == ("two", None, 0.0), "stable moved already, and the canary is the same policy"
    changes(fake).promote(PROVEN)
    assert in_force(fake) == ("two", None, 0.0)
    assert fake.labels(POLICY) == {"stable": 2}


UNPROVEN = Verdict(word="not enough evidence", why="12 judged decisions")


@pytest.mark.parametrize("word", ["worse", "not enough evidence"])
def test_promote_refuses_what_the_evidence_does_not_speak_for(word: Any) -> None:
    fake = filled("one", "two", stable=1, canary=2, share=0.2)
    with pytest.raises(NotProvenError, match=word):
        changes(fake).promote(Verdict(word=word, why="quality falls by 0.1 or more"))
    assert in_force(fake) == ("one", "two", 0.2)


def test_where_nothing_is_on_record_a_promotion_passes_and_says_so() -> None:
    fake = filled("one", "two", stable=1, canary=2, share=0.2)
    change = changes(fake).promote(Verdict(word="no evidence", why="no decision is on record"))
    assert change.why == "without evidence: cheaper"
    assert in_force(fake)[0] == "two"


def test_a_forced_promotion_is_recorded_as_such() -> None:
    fake = filled("one", "two", stable=1, canary=2, share=0.2)
    change = changes(fake).promote(UNPROVEN, force=True)
    assert change.why == "forced (not enough evidence): cheaper"
    assert in_force(fake)[0] == "two"
    assert last(fake) == change


def test_a_canary_that_climbs_says_so_in_the_rollout_document() -> None:
    fake = filled("one", stable=1)
    changes(fake).push(parse(document("two")), document("two"), 0.1, ramp=True)
    assert look(store_of(fake)).rollout.ramp
    changes(fake).push(parse(document("two")), document("two"), 0.5)
    now = look(store_of(fake)).rollout
    assert (now.share, now.ramp) == (0.5, False)
