"""Policy operations and settings through AWS's own wire protocol; the same store and source as in production."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.cli.policy.changes import Author, PolicyChanges, standing
from router_core.adapters.aws.ssm_policy import SsmPolicySource
from router_core.adapters.aws.ssm_policy_store import ABSENT, FAULTS, SsmPolicyStore
from router_core.adapters.aws.ssm_settings import SsmSettings
from router_core.errors import ConfigurationError, StoreError
from router_core.learning.off_policy.verdict import Verdict
from router_core.policy.parse import parse
from router_core.policy.rollout import Change, parse_shift
from tests.localmoto import Clients
from tests.unit.policy.parameters import document

PROVEN = Verdict(word="better", why="quality rises by 0.0300 or more")
USED = (
    "GetParameter", "GetParameterHistory", "GetParametersByPath", "PutParameter", "LabelParameterVersion",
    "UnlabelParameterVersion",
)  # fmt: skip


@pytest.fixture
def store(aws: Clients) -> SsmPolicyStore:
    return SsmPolicyStore(aws("ssm"), f"/tierwise-{uuid.uuid4().hex}/dev/policy")


def changes(store: SsmPolicyStore) -> PolicyChanges:
    author = Author(by="ann", why="weil's billiger ist")
    return PolicyChanges(store, standing(store), author, now=lambda: datetime(2026, 11, 21, tzinfo=UTC))


def push(store: SsmPolicyStore, name: str, share: float = 0.3) -> Change:
    return changes(store).push(parse(document(name)), document(name), share)


def in_force(source: SsmPolicySource) -> tuple[str, str | None, float]:
    now = source.rollout()
    return now.stable.name, now.canary.name if now.canary is not None else None, now.share


def test_a_canary_from_push_to_rollback(store: SsmPolicyStore) -> None:
    push(store, "one")
    source = SsmPolicySource(store)
    assert in_force(source) == ("one", None, 0.0)
    push(store, "two")
    assert source.refresh()
    assert in_force(source) == ("one", "two", 0.3)
    changes(store).promote(PROVEN)
    assert source.refresh()
    assert in_force(source) == ("two", None, 0.0)
    changes(store).rollback()
    assert source.refresh()
    assert in_force(source) == ("one", None, 0.0)
    told = [parse_shift(one.text).change for one in standing(store).shifts]
    assert [one.action for one in told if one] == ["push", "push", "promote", "rollback"]
    assert {one.why for one in told if one} == {"weil's billiger ist"}


def test_a_plain_edit_is_in_force_until_there_is_a_label(store: SsmPolicyStore) -> None:
    store.put_document(document("one"))
    source = SsmPolicySource(store)
    store.put_document(document("two"))
    assert source.refresh()
    assert in_force(source)[0] == "two"
    store.label(1, "stable")
    assert source.refresh()
    store.put_document(document("three"))
    assert not source.refresh()
    assert in_force(source)[0] == "one"
    assert source.refused == 0


def test_a_broken_edit_is_refused(store: SsmPolicyStore) -> None:
    store.put_document(document("one"))
    source = SsmPolicySource(store)
    store.put_document('{"nonsense": 1}')
    assert not source.refresh()
    assert (in_force(source)[0], source.refused) == ("one", 1)


def test_more_than_a_hundred_versions(store: SsmPolicyStore) -> None:
    push(store, "one")
    for i in range(105):
        try:
            store.put_document(document(f"draft-{i}"))
        except StoreError as error:
            assert "move that label first" in str(error)
            break
    push(store, "two")
    held = standing(store)
    assert len(held.versions) == 100
    assert in_force(SsmPolicySource(store)) == ("one", "two", 0.3)


def test_the_document_is_of_the_advanced_tier(store: SsmPolicyStore, aws: Clients) -> None:
    push(store, "one")
    wanted: Any = [{"Key": "Name", "Values": [store.policy]}]
    described = aws("ssm").describe_parameters(ParameterFilters=wanted)["Parameters"]
    assert [one["Tier"] for one in described] == ["Advanced"]


def test_what_is_not_there_is_none(store: SsmPolicyStore) -> None:
    assert store.document() is store.document("stable") is store.document(3) is store.shift() is None
    assert standing(store).in_force is None
    with pytest.raises(ConfigurationError, match="there is no parameter"):
        SsmPolicySource(store)


def test_settings_below_a_prefix_are_read_over_pages_and_decrypted(aws: Clients) -> None:
    ssm, prefix = aws("ssm"), f"/tierwise-{uuid.uuid4().hex}/dev/settings"
    wanted = {f"targets/{i}/model": f"model-{i}" for i in range(12)} | {"server/port": "9000"}
    for name, value in wanted.items():
        ssm.put_parameter(Name=f"{prefix}/{name}", Value=value, Type="String")
    ssm.put_parameter(Name=f"{prefix}/keys", Value="[]", Type="SecureString")
    ssm.put_parameter(Name=f"{prefix}-else/server/port", Value="1", Type="String")
    settings = SsmSettings(ssm)
    assert settings.read(prefix) == {**wanted, "keys": "[]"}
    assert settings.read(f"{prefix}/") == settings.read(prefix)
    assert settings.read(f"{prefix}-nothing") == {}


def test_an_endpoint_that_nobody_listens_at_is_a_store_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "hidden-secret",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    with pytest.raises(StoreError, match="cannot be reached") as caught:
        SsmPolicyStore.connect("/tierwise/dev/policy").document()
    assert "hidden" not in str(caught.value)
    assert "127.0.0.1" not in str(caught.value)


@pytest.mark.parametrize("operation", USED)
def test_every_error_of_the_service_model_is_mapped(operation: str, aws: Clients) -> None:
    named = [shape.name for shape in aws("ssm").meta.service_model.operation_model(operation).error_shapes]
    assert [name for name in named if name not in FAULTS] == []
    assert set(ABSENT) <= set(FAULTS)
