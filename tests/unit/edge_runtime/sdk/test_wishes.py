"""Wishes: what does not exist is an error of the program, and never a request that leaves."""

from __future__ import annotations

from typing import Any

import pytest

from edge_runtime import Client
from edge_runtime.sdk.body import request_of, wire_body
from router_core.inference import Device, Network

FORM = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}


@pytest.mark.parametrize("wishes", [{"privcy": "restricted"}, {"prefer": "cost"}])
async def test_a_misspelt_wish_is_refused(wishes: dict[str, Any]) -> None:
    client = Client()
    with pytest.raises(TypeError, match="no wish"):
        await client.command("lights off", **wishes)
    await client.close()


@pytest.mark.parametrize(
    "wishes",
    [
        {"privacy": "Restricted"},
        {"privacy": ["restricted"]},
        {"tiers": "device"},
        {"tiers": ()},
        {"tiers": ("edge",)},
        {"max_cost_usd": -1.0},
        {"max_tokens": True},
        {"deadline_s": float("nan")},
        {"temperature": "hot"},
        {"response_format": "json"},
        {"when_offline": "later"},
    ],
)
async def test_a_value_that_a_wish_cannot_have_is_refused(wishes: dict[str, Any]) -> None:
    client = Client()
    with pytest.raises(ValueError, match=f"{next(iter(wishes))} cannot be"):
        client.decide("lights off", **wishes)
    await client.close()


def test_the_form_of_the_answer_goes_along() -> None:
    request = request_of("hello", {"response_format": FORM}, Device(), Network())
    assert request.params.wants_json
    assert wire_body(request, tiers=("cloud",), stream=False)["params"] == {"response_format": FORM}
