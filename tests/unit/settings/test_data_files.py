"""The dated data: both files are valid, every figure is in range, and an operator's word wins over them."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from router_core.adapters.data_files import (
    PACKAGED,
    DatedData,
    DeclaredTarget,
    find_model,
    groups_of,
    load_data,
    normalised,
    notes,
    target_spec,
)
from router_core.errors import ConfigurationError
from router_core.inference import TASKS

DATA = load_data()
EU = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK"


def declared(**values: object) -> DeclaredTarget:
    base: dict[str, object] = {"name": "mec/a", "kind": "openai", "model": "llama-3.1-8b"}
    return DeclaredTarget(**{**base, **values})  # type: ignore[arg-type]  # a test's own values


@pytest.mark.parametrize("name", ["models.json", "regions.json"])
def test_each_file_names_a_real_date_and_a_source(name: str) -> None:
    document = json.loads((PACKAGED / name).read_text())
    assert date.fromisoformat(document["date"]) <= date(2026, 12, 31)
    assert document["source"]


def test_every_model_names_a_dated_source_and_has_figures_in_range() -> None:
    document = json.loads((PACKAGED / "models.json").read_text())
    for source in document["sources"].values():
        assert date.fromisoformat(source["date"]) <= date.fromisoformat(document["date"])
    for model in document["models"]:
        assert model["source"] in document["sources"], model["name"]
        assert 0 <= model["price_in"] <= 100 and 0 <= model["price_out"] <= 100
        assert 128 <= model["context_tokens"] <= 2_000_000
        assert 1 <= model["max_output_tokens"] <= model["context_tokens"] * 2
        assert "text" in model["modalities"]
        estimates = model["estimates"]
        assert 0 <= estimates["capability"] <= 1
        assert set(estimates["quality"]) <= set(TASKS)
        assert all(0 < value <= 1 for value in estimates["quality"].values())
        assert estimates["ttft_ms"] > 0
        # Embedding models answer in one pass; every other estimate has a described method.
        assert set(estimates) - {"memory_mb"} <= set(document["methods"]) | {"quality"}


def test_no_two_models_answer_to_the_same_name() -> None:
    for kind in ("onnx", "openai", "bedrock"):
        prefixes = [prefix for model in DATA.models if kind in model["kinds"] for prefix in model["match"]]
        assert len(prefixes) == len(set(prefixes))


@pytest.mark.parametrize(
    ("kind", "model", "name"),
    [
        ("bedrock", "amazon.nova-micro-v1:0", "amazon.nova-micro-v1:0"),
        ("bedrock", "eu.amazon.nova-pro-v1:0", "amazon.nova-pro-v1:0"),
        (
            "bedrock",
            "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0",
            "amazon.nova-lite-v1:0",
        ),
        ("bedrock", "global.anthropic.claude-sonnet-4-5-20250929-v1:0", "anthropic.claude-sonnet-4-5"),
        ("bedrock", "anthropic.claude-sonnet-4-20250514-v1:0", "anthropic.claude-sonnet-4"),
        ("openai", "meta-llama/Llama-3.1-8B-Instruct", "llama-3.1-8b"),
        ("openai", "Qwen/Qwen2.5-1.5B-Instruct", "qwen2.5-1.5b"),
        ("openai", "microsoft/phi-4-mini-instruct", "phi-4-mini"),
        ("openai", "microsoft/phi-4", "phi-4"),
        ("onnx", "intent-v1", "intent-v1"),
        ("openai", "qwen2.5-1", None),
        ("openai", "amazon.nova-micro-v1:0", None),
        ("openai", "something-else", None),
    ],
)
def test_a_model_is_found_by_name_or_by_its_longest_prefix(kind: str, model: str, name: str | None) -> None:
    found = find_model(DATA, model, kind)
    assert (found["name"] if found else None) == name


def test_a_geography_prefix_is_not_part_of_the_model() -> None:
    assert normalised("apac.amazon.nova-lite-v1:0") == "amazon.nova-lite-v1:0"
    assert normalised("us-model") == "us-model"


def test_exactly_the_member_states_are_in_the_eu() -> None:
    assert " ".join(sorted(code for code, groups in DATA.countries.items() if "eu" in groups)) == EU


@pytest.mark.parametrize(
    ("region", "inside", "outside"),
    [
        ("eu-central-1", "eu", "us"),
        ("eu-central-2", "ch", "eu"),
        ("eu-west-2", "uk", "eu"),
        ("us-gov-west-1", "us", "eu"),
        ("ca-central-1", "ca", "us"),
        ("ap-southeast-2", "apac", "eu"),
        ("DE", "eea", "apac"),
        ("de", "de", "fr"),
    ],
)
def test_a_region_is_in_its_groups_and_in_no_other(region: str, inside: str, outside: str) -> None:
    groups = groups_of(DATA, region)
    assert inside in groups
    assert outside not in groups


def test_every_region_lies_in_a_known_country_and_no_group_is_another_countrys_code() -> None:
    assert all(country in DATA.countries for country in DATA.regions.values())
    groups = {group for entry in DATA.countries.values() for group in entry}
    codes = {code.lower() for code in DATA.countries}
    assert groups & codes == set()


def test_an_unknown_region_is_in_no_group_so_that_no_residency_is_met_by_accident() -> None:
    assert groups_of(DATA, "moon-base-1") == ()
    assert groups_of(DATA, None) == ()


def test_what_the_operator_wrote_wins_and_the_rest_comes_from_the_data() -> None:
    spec = target_spec(declared(given={"price_in": 0.7, "quality": {"chat": 0.5}}), DATA, None)
    assert (spec.price_in, spec.quality["chat"], spec.quality["command"]) == (0.7, 0.5, 0.8)
    assert (spec.tier, spec.context_tokens, spec.groups) == ("mec", 131072, ())


@pytest.mark.parametrize(
    ("values", "tier"),
    [
        ({"kind": "onnx", "name": "x", "model": "intent-v1"}, "device"),
        ({"kind": "openai", "name": "x"}, "mec"),
        ({"kind": "bedrock", "name": "x"}, "cloud"),
        ({"kind": "openai", "name": "cloud/x"}, "cloud"),
        ({"kind": "openai", "name": "cloud/x", "tier": "mec"}, "mec"),
    ],
)
def test_the_tier_is_as_written_else_by_name_else_by_kind(values: dict[str, object], tier: str) -> None:
    assert target_spec(declared(**values), DATA, None).tier == tier


def test_a_device_target_is_where_the_caller_is_unless_the_gateway_says_where_it_is() -> None:
    target = declared(kind="onnx", model="intent-v1", name="device/a")
    assert target_spec(target, DATA, None).groups == ("*",)
    assert "eu" in target_spec(target, DATA, "eu-central-1").groups
    assert "us" in target_spec(declared(kind="onnx", region="US"), DATA, "eu-central-1").groups


@pytest.mark.parametrize(
    ("model", "region", "groups"),
    [
        ("amazon.nova-lite-v1:0", "eu-central-1", {"de", "eu", "eea", "europe"}),
        ("eu.amazon.nova-lite-v1:0", "eu-central-1", {"eu", "eea", "europe"}),
        ("us.amazon.nova-lite-v1:0", "us-east-1", {"us", "north-america"}),
        ("us.amazon.nova-lite-v1:0", "ca-central-1", {"north-america"}),
        ("apac.amazon.nova-lite-v1:0", "ap-southeast-2", {"apac"}),
        ("jp.anthropic.claude-sonnet-4-5-20250929-v1:0", "ap-northeast-1", {"jp", "apac"}),
        ("global.amazon.nova-2-lite-v1:0", "eu-central-1", set()),
        ("arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.amazon.nova-pro-v1:0", "eu-west-1",
         {"eu", "eea", "europe"}),
        ("arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/a1b2c3", "eu-west-1", set()),
    ],
)  # fmt: skip
def test_a_cross_region_profile_is_only_where_all_of_its_regions_are(
    model: str, region: str, groups: set[str]
) -> None:
    target = declared(kind="bedrock", name="cloud/x", model=model, region=region)
    assert set(target_spec(target, DATA, None).groups) == groups
    assert any("residency" in note for note in notes(target, DATA)) == (not groups)


def test_a_sagemaker_endpoint_is_a_cloud_target_with_the_data_of_what_it_serves() -> None:
    spec = target_spec(declared(kind="sagemaker", name="chat", region="eu-central-1"), DATA, None)
    assert (spec.tier, spec.context_tokens, "eu" in spec.groups) == ("cloud", 131072, True)


def test_what_the_data_lacks_is_said() -> None:
    said = " ".join(notes(declared(name="cloud/x", kind="bedrock", model="new.model-v1:0"), DATA))
    assert "no data about model" in said
    assert "no price known" in said
    assert "no known region" in said
    assert notes(declared(region="DE"), DATA) == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"date": "soon"}, "date"),
        ({"source": ""}, "source"),
        ({"schema": 2}, "schema 1"),
        ({"models": [{"name": "x"}]}, "models.json"),
        ({"tiers": {}}, "models.json"),
    ],
)
def test_an_own_data_file_is_checked_as_the_packaged_one(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    document = json.loads((PACKAGED / "models.json").read_text())
    file = tmp_path / "models.json"
    file.write_text(json.dumps({**document, **change}))
    with pytest.raises(ConfigurationError, match=message):
        load_data(models=file)


def test_an_own_data_file_replaces_prices(tmp_path: Path) -> None:
    document = json.loads((PACKAGED / "models.json").read_text())
    for model in document["models"]:
        model["price_in"] = 9
    (tmp_path / "models.json").write_text(json.dumps(document))
    data: DatedData = load_data(models=tmp_path / "models.json")
    assert target_spec(declared(), data, None).price_in == 9
