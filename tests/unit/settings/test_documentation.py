"""The page about settings and the example file keep up with the code."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from gateway.settings.batches import BatchSettings
from gateway.settings.guards import GuardSettings
from gateway.settings.jobs import JobSettings
from gateway.settings.loading import load
from gateway.settings.providers import ProviderSettings
from gateway.settings.schema import (
    CacheSettings,
    DataSettings,
    DeliberationSettings,
    DeviceSettings,
    EventSettings,
    KeySettings,
    NodeSettings,
    NodesSettings,
    PolicySettings,
    RedisSettings,
    ServerSettings,
    SignalSettings,
    StoreSettings,
    TargetSettings,
    TracingSettings,
)
from router_core.adapters.data_files import load_data
from router_core.adapters.policy_file import read_policy

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "configuration.md").read_text()


@pytest.mark.parametrize(
    ("cls", "prefix"),
    [(ServerSettings, ""), (TargetSettings, ""), (KeySettings, ""), (PolicySettings, "policy."), (EventSettings, "events."),
     (CacheSettings, "cache."), (DeviceSettings, "device."), (TracingSettings, "tracing."), (DataSettings, "data."),
     (RedisSettings, "redis."), (StoreSettings, "stores."), (JobSettings, "jobs."), (BatchSettings, "batches."), (ProviderSettings, ""),
     (SignalSettings, "signals."), (DeliberationSettings, "deliberation."), (NodesSettings, "nodes."), (NodeSettings, ""), (GuardSettings, "")],
)  # fmt: skip
def test_every_key_is_on_the_page(cls: type, prefix: str) -> None:
    assert [item.name for item in fields(cls) if f"`{prefix}{item.name}`" not in PAGE] == []


def test_the_example_settings_and_policy_are_valid() -> None:
    settings = load(str(ROOT / "examples" / "tierwise.toml"), {})
    assert {target.kind for target in settings.targets} == {"onnx", "openai", "bedrock"}
    assert read_policy(ROOT / "examples" / "policy.json").label == "careful@1"


def test_the_number_of_models_the_page_names_is_true() -> None:
    assert f"first estimates of {len(load_data().models)} models" in PAGE
