"""The policies in force from Parameter Store: what is taken over, what is refused, and what a start does without it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router_core.adapters.aws.ssm_policy import SsmPolicySource
from router_core.adapters.aws.ssm_policy_store import ABSENT, FAULTS
from router_core.errors import ConfigurationError
from tests.unit.policy.fake_ssm import FakeSsm
from tests.unit.policy.parameters import POLICY, ROLLOUT, document, filled, store_of

TOO_LARGE = json.dumps({"name": "x" * 8_150})
BAD = ["", "{", "[]", '{"unknown": 1}', '{"version": "2"}', '{"thresholds": {"stickiness": 9}}', TOO_LARGE]


def source_of(fake: FakeSsm, copy: Path | None = None) -> SsmPolicySource:
    return SsmPolicySource(store_of(fake), copy)


def in_force(source: SsmPolicySource) -> tuple[str, str | None, float]:
    now = source.rollout()
    return now.stable.name, now.canary.name if now.canary is not None else None, now.share


def test_without_the_label_stable_the_newest_version_is_in_force() -> None:
    fake = filled("one", "two")
    source = source_of(fake)
    assert in_force(source) == ("two", None, 0.0)
    fake.put_parameter(Name=POLICY, Value=document("three"))
    assert source.refresh() is True
    assert in_force(source) == ("three", None, 0.0)


def test_with_the_label_a_newer_version_is_only_a_draft() -> None:
    fake = filled("one", "two", stable=1)
    source = source_of(fake)
    assert in_force(source) == ("one", None, 0.0)
    fake.label_parameter_version(Name=POLICY, ParameterVersion=2, Labels=["stable"])
    assert source.refresh() is True
    assert in_force(source) == ("two", None, 0.0)


def test_a_canary_is_served_for_the_share_in_the_rollout_document() -> None:
    fake = filled("one", "two", stable=1, canary=2)
    source = source_of(fake)
    assert in_force(source) == ("one", None, 0.0)
    fake.put_parameter(Name=ROLLOUT, Value='{"share": 0.25}')
    assert source.refresh() is True
    assert in_force(source) == ("one", "two", 0.25)


def test_nothing_new_keeps_the_same_objects_so_that_nothing_is_compiled_again() -> None:
    fake = filled("one", "two", stable=1, canary=2, share=0.5)
    source = source_of(fake)
    before = source.rollout()
    assert source.refresh() is False
    assert source.rollout() is before
    assert fake.calls.count("GetParameter") == 6


@pytest.mark.parametrize("text", [text for text in BAD if text])
def test_a_bad_document_is_refused_and_the_last_good_one_stays(
    text: str, caplog: pytest.LogCaptureFixture
) -> None:
    fake = filled("one")
    source = source_of(fake)
    fake.parameters[POLICY][-1].value = text
    assert source.refresh() is False
    assert source.refresh() is False
    assert in_force(source) == ("one", None, 0.0)
    assert source.refused == 2
    assert [record.levelname for record in caplog.records] == ["ERROR"], "said once, counted every time"
    assert "one@1 stays in force" in caplog.text
    assert len(caplog.text) < 800


@given(
    text=st.text(max_size=200) | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps)
)
def test_whatever_somebody_writes_there_nothing_is_raised(text: str) -> None:
    fake = filled("one")
    source = source_of(fake)
    fake.parameters[POLICY][-1].value = text
    source.refresh()
    assert source.rollout().stable.name in ("one", "default")


@pytest.mark.parametrize("text", ["", "{", '{"share": 7}', '{"share": 0.1, "shares": 1}'])
def test_a_bad_rollout_document_is_refused_whole(text: str) -> None:
    fake = filled("one", "two", stable=1, canary=2, share=0.5)
    source = source_of(fake)
    fake.parameters[ROLLOUT][-1].value = text
    fake.label_parameter_version(Name=POLICY, ParameterVersion=2, Labels=["stable"])
    assert source.refresh() is False
    assert in_force(source) == ("one", "two", 0.5)
    assert source.refused == 1


def test_a_bad_canary_leaves_both_old_policies_in_force() -> None:
    fake = filled("one", "two", stable=1, canary=2, share=0.5)
    source = source_of(fake)
    fake.put_parameter(Name=POLICY, Value='{"unknown": 1}')
    fake.label_parameter_version(Name=POLICY, ParameterVersion=3, Labels=["canary"])
    assert source.refresh() is False
    assert in_force(source) == ("one", "two", 0.5)


@pytest.mark.parametrize("label", ["stable", "canary"])
def test_a_deleted_label_is_refused(label: str) -> None:
    fake = filled("one", "two", stable=1, canary=2, share=0.5)
    source = source_of(fake)
    fake.unlabel_parameter_version(Name=POLICY, ParameterVersion=fake.labels(POLICY)[label], Labels=[label])
    assert source.refresh() is False
    assert in_force(source) == ("one", "two", 0.5)
    assert source.refused == 1


def test_a_label_stable_that_vanished_is_refused_after_the_newest_rule_too() -> None:
    fake = filled("one", "two", "three")
    source = source_of(fake)
    fake.label_parameter_version(Name=POLICY, ParameterVersion=1, Labels=["stable"])
    assert source.refresh() is True
    fake.unlabel_parameter_version(Name=POLICY, ParameterVersion=1, Labels=["stable"])
    assert source.refresh() is False
    assert in_force(source) == ("one", None, 0.0)


@pytest.mark.parametrize("code", [*sorted(set(FAULTS) - set(ABSENT)), "SomethingNew"])
def test_a_parameter_store_that_fails_is_counted_and_nothing_changes(
    code: str, caplog: pytest.LogCaptureFixture
) -> None:
    fake = filled("one", stable=1)
    source = source_of(fake)
    fake.failing = code
    assert source.refresh() is False
    assert in_force(source) == ("one", None, 0.0)
    assert source.refused == 1
    assert "the text of AWS" not in caplog.text
    fake.failing = None
    fake.put_parameter(Name=POLICY, Value=document("two"))
    fake.label_parameter_version(Name=POLICY, ParameterVersion=2, Labels=["stable"])
    assert source.refresh() is True
    assert in_force(source) == ("two", None, 0.0)
    assert "can be used again" in caplog.text


def test_a_deleted_parameter_is_refused() -> None:
    fake = filled("one")
    source = source_of(fake)
    fake.parameters.clear()
    assert source.refresh() is False
    assert in_force(source) == ("one", None, 0.0)


@pytest.mark.parametrize("trouble", ["ThrottlingException", "bad", "absent"])
def test_a_start_without_a_policy_and_without_a_copy_is_refused(trouble: str, tmp_path: Path) -> None:
    fake = filled("one")
    if trouble == "bad":
        fake.parameters[POLICY][-1].value = '{"unknown": 1}'
    elif trouble == "absent":
        fake.parameters.clear()
    else:
        fake.failing = trouble
    with pytest.raises(ConfigurationError, match=r"policy.ssm /tierwise/dev/policy: .*no copy"):
        source_of(fake, tmp_path / "copy.json")
    with pytest.raises(ConfigurationError, match="no copy"):
        source_of(fake)


def test_a_start_without_parameter_store_takes_the_copy_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fake, copy = filled("one", "two", stable=1, canary=2, share=0.5), tmp_path / "var" / "copy.json"
    source_of(fake, copy)
    fake.failing = "InternalServerError"
    source = source_of(fake, copy)
    assert in_force(source) == ("one", "two", 0.5)
    assert source.refused == 1
    assert "one@1 stays in force" in caplog.text
    fake.failing = None
    fake.unlabel_parameter_version(Name=POLICY, ParameterVersion=1, Labels=["stable"])
    assert source.refresh() is False, "the copy knows that there was a label"


def test_the_copy_follows_every_change(tmp_path: Path) -> None:
    fake, copy = filled("one", "two"), tmp_path / "copy.json"
    source = source_of(fake, copy)
    fake.put_parameter(Name=POLICY, Value=document("three"))
    source.refresh()
    fake.failing = "ThrottlingException"
    assert in_force(source_of(fake, copy)) == ("three", None, 0.0)
    assert [file.name for file in tmp_path.iterdir()] == ["copy.json"]


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "{}", '{"parameter": "/tierwise/dev/policy"}', '{"parameter": "/tierwise/prod/policy"}'],
)
def test_a_copy_that_is_broken_or_another_environments_is_none(content: str, tmp_path: Path) -> None:
    fake, copy = filled("one"), tmp_path / "copy.json"
    copy.write_text(content)
    fake.failing = "ThrottlingException"
    with pytest.raises(ConfigurationError, match="no copy"):
        source_of(fake, copy)


def test_a_copy_that_cannot_be_written_costs_only_the_copy(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    source = source_of(filled("one"), tmp_path / "file" / "copy.json")
    assert in_force(source) == ("one", None, 0.0)
    assert "no copy of the policy can be kept" in caplog.text


def test_a_host_that_was_frozen_catches_up_where_it_is_time() -> None:
    fake = filled("one")
    source = source_of(fake)
    fake.put_parameter(Name=POLICY, Value=document("two"))
    assert source.catch_up(3600.0) is False
    assert in_force(source) == ("one", None, 0.0)
    assert source.catch_up(0.0) is True
    assert in_force(source) == ("two", None, 0.0)
