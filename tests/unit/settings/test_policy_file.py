"""The policy file: read within bounds, taken over whole, and never allowed to take a running gateway down."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from router_core.adapters.policy_file import MAX_FILE_BYTES, FilePolicySource, read_policy
from router_core.errors import ConfigurationError


def write(file: Path, text: str, age_s: int) -> None:
    """A file with a modification time of its own, so that a change is seen however fast the test runs."""
    file.write_text(text)
    os.utime(file, (1_700_000_000 + age_s, 1_700_000_000 + age_s))


def test_no_file_is_the_packaged_default_with_its_hash() -> None:
    policy = FilePolicySource(None).rollout().stable
    assert policy.label == "default@1"
    assert len(policy.sha256) == 64


def test_a_changed_file_is_taken_over_and_an_unchanged_one_is_not_read_again(tmp_path: Path) -> None:
    file = tmp_path / "policy.json"
    write(file, '{"version": 2}', 0)
    source = FilePolicySource(file)
    assert source.rollout().stable.label == "default@2"
    assert source.refresh() is False
    write(file, '{"version": 3}', 1)
    assert source.refresh() is True
    assert source.rollout().stable.label == "default@3"


@pytest.mark.parametrize("text", ['{"versoin": 3}', "{", '{"limits": {"attempts": 0}}'])
def test_a_bad_change_leaves_the_old_policy_in_force_and_is_logged(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "policy.json"
    write(file, '{"version": 2}', 0)
    source = FilePolicySource(file)
    write(file, text, 1)
    assert source.refresh() is False
    assert source.rollout().stable.version == 2
    assert source.refused == 1
    assert "default@2 stays in force" in caplog.text


def test_a_file_that_goes_away_leaves_its_policy_in_force(tmp_path: Path) -> None:
    file = tmp_path / "policy.json"
    write(file, '{"version": 2}', 0)
    source = FilePolicySource(file)
    file.unlink()
    assert source.refresh() is False
    assert source.rollout().stable.version == 2


def test_at_start_a_bad_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent.json cannot be read"):
        FilePolicySource(tmp_path / "absent.json")
    big = tmp_path / "big.json"
    big.write_text(" " * (MAX_FILE_BYTES + 1))
    with pytest.raises(ConfigurationError, match="larger than"):
        read_policy(big)
