"""Providers of the settings: what is refused before a key could go anywhere."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.composition.providers import provider_specs
from gateway.settings.providers import ProviderSettings
from router_core.adapters.data_files import load_data
from router_core.errors import ConfigurationError

GOOD = {"name": "o", "model": "m", "base_url": "https://api.example.com/v1"}


def provider(**more: Any) -> ProviderSettings:
    return ProviderSettings(**(GOOD | more))


def test_a_provider_is_a_cloud_target_in_its_region() -> None:
    (spec,) = provider_specs([provider(region="eu-central-1", max_privacy="confidential")], load_data())
    assert (spec.name, spec.tier, spec.max_privacy) == ("byok/o", "cloud", "confidential")
    assert "eu" in spec.groups


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_url": "http://api.example.com/v1"},
        {"base_url": "https://user:secret@api.example.com/v1"},
        {"base_url": "https://api.example.com/v1?key=1"},
        {"base_url": None},
        {"name": ""},
        {"model": ""},
    ],
)
def test_what_would_show_a_key_or_lead_nowhere_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"^settings: providers\[0\]"):
        provider_specs([provider(**wrong)], load_data())


def test_two_of_one_name_are_refused_and_google_has_an_address_of_its_own() -> None:
    with pytest.raises(ConfigurationError, match="twice"):
        provider_specs([provider(), provider()], load_data())
    assert provider_specs([provider(kind="google", base_url=None)], load_data())
    assert provider_specs([provider(base_url="http://127.0.0.1:9/v1")], load_data())
