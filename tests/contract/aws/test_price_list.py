"""Prices from AWS's Price List API: exactly one for each direction, or none; the command writes what the router can read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.parser import main
from router_core.adapters.aws.price_list import PriceList, TokenPrice
from router_core.adapters.data_files import find_model, load_data
from router_core.errors import StoreError
from tests.json_aws import ServiceError, StandIn, standing_in
from tests.localmoto import client, environment

TODAY = {"Nova Micro": (0.00004, 0.00016), "Nova Lite": (0.00007, 0.00028), "Nova Pro": (0.0009, 0.0036)}


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    with standing_in() as made:
        yield made


def product(direction: str, usd: float, unit: str = "1K tokens") -> str:
    dimension = {"unit": unit, "pricePerUnit": {"USD": f"{usd:.10f}"}}
    terms = {"OnDemand": {"T": {"priceDimensions": {"D": dimension}}}}
    return json.dumps({"product": {"attributes": {"inferenceType": direction}}, "terms": terms})


def listed(prices: Mapping[str, tuple[float, float]], *more: str) -> Any:
    def said(given: Mapping[str, Any]) -> Any:
        wanted = {each["Field"]: each["Value"] for each in given["Filters"]}
        assert (given["ServiceCode"], wanted["feature"]) == ("AmazonBedrock", "On-demand Inference")
        if wanted["model"] not in prices:
            return {"FormatVersion": "aws_v1", "PriceList": []}
        low, high = prices[wanted["model"]]
        found = [product("Input tokens", low), product("Output tokens", high), *more]
        # Two pages, as the service may cut anywhere.
        if "NextToken" not in given:
            return {"FormatVersion": "aws_v1", "PriceList": found[:1], "NextToken": "more"}
        return {"FormatVersion": "aws_v1", "PriceList": found[1:]}

    return said


def test_a_price_is_one_product_for_each_direction(stand_in: StandIn) -> None:
    stand_in.plays["GetProducts"] = listed(TODAY)
    with closing(client(stand_in.url, "pricing")) as made:
        assert PriceList(made).price("Nova Lite", "us-east-1") == TokenPrice(price_in=0.07, price_out=0.28)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ((product("Input tokens", 0.1),), "2 prices for input tokens"),
        ((product("Output tokens", 1.0, "Units"),), "a unit that is not known"),
    ],
)
def test_what_is_not_one_price_is_none(stand_in: StandIn, more: tuple[str, ...], said: str) -> None:
    stand_in.plays["GetProducts"] = listed(TODAY, *more)
    with closing(client(stand_in.url, "pricing")) as made, pytest.raises(StoreError, match=said):
        PriceList(made).price("Nova Lite", "us-east-1")


def test_a_service_that_refuses_is_an_error_of_ours(stand_in: StandIn) -> None:
    stand_in.plays["GetProducts"] = lambda given: ServiceError("AccessDeniedException")
    with closing(client(stand_in.url, "pricing")) as made, pytest.raises(StoreError, match="may not be used"):
        PriceList(made).price("Nova Lite", "us-east-1")


def test_the_command_writes_a_data_file_and_names_what_it_did_not_take(
    stand_in: StandIn,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in environment(stand_in.url).items():
        monkeypatch.setenv(name, value)
    stand_in.plays["GetProducts"] = listed({**TODAY, "Nova Pro": (0.9, 3.6)})
    out = tmp_path / "models.json"
    command = ["aws", "prices", "--region", "us-east-1", "--out", str(out), "--json"]
    assert main(command) == 1
    told = {row["model"]: row for row in json.loads(capsys.readouterr().out)["models"]}
    assert told["amazon.nova-lite-v1:0"]["now"] == "0.07/0.28"
    assert "far from before" in told["amazon.nova-pro-v1:0"]["why"]
    assert "0 prices" in told["amazon.nova-premier-v1:0"]["why"]
    data = load_data(models=out)
    lite, pro = (find_model(data, f"amazon.nova-{name}-v1:0", "bedrock") for name in ("lite", "pro"))
    assert lite is not None
    assert pro is not None
    assert (lite["price_in"], lite["source"], pro["price_in"]) == (0.07, "price-list", 0.8)
    assert main([*command, "--accept"]) == 1, "Premier is still not listed"
    accepted = find_model(load_data(models=out), "amazon.nova-pro-v1:0", "bedrock")
    assert accepted is not None
    assert accepted["price_in"] == 900.0
