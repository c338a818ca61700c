"""A real gateway with Comprehend and Textract switched on: what may not reach the cloud reaches neither of them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

import httpx2
import pytest

from tests.json_aws import StandIn, standing_in
from tests.running import RunningGateway, running_gateway

pytestmark = pytest.mark.server
CANARY = "canary-7741-heron"
PNG = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + CANARY.encode()).decode()
NEAR = "key-of-those-who-stay-near-3391"


@pytest.fixture(scope="module")
def stand_in() -> Iterator[StandIn]:
    with standing_in() as made:
        made.plays["DetectPiiEntities"] = _names
        made.plays["DetectDocumentText"] = lambda given: {
            "Blocks": [{"BlockType": "LINE", "Text": "Total 42 EUR"}]
        }
        yield made


def _names(given: Mapping[str, Any]) -> Mapping[str, Any]:
    found = (
        [{"Type": "NAME", "Score": 0.99, "BeginOffset": 0, "EndOffset": 4}] if "Jane" in given["Text"] else []
    )
    return {"Entities": found}


@pytest.fixture(scope="module")
def gateway(stand_in: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    variables = {
        "AWS_ENDPOINT_URL": stand_in.url,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_EC2_METADATA_DISABLED": "true",
        "TIERWISE_SIGNALS__COMPREHEND": "eu-central-1",
        "TIERWISE_SIGNALS__TEXTRACT": "eu-central-1",
        "TIERWISE_SIGNALS__BUDGET_MS": "5000",
        "NEAR": NEAR,
        "TIERWISE_KEYS": json.dumps([{"id": "near", "secret": "env:NEAR", "tiers": ["device", "mec"]}]),
    }
    folder = tmp_path_factory.mktemp("gateway")
    with running_gateway("--sandbox", folder=folder, environment=variables) as running:
        yield running


def ask(gateway: RunningGateway, body: Mapping[str, Any], key: str | None = None) -> httpx2.Response:
    return httpx2.post(
        f"{gateway.url}/inference",
        json=body,
        headers={"authorization": f"Bearer {key or gateway.key}"},
        timeout=30,
        trust_env=False,
    )


def invoice(**more: Any) -> dict[str, Any]:
    parts = [
        {"type": "text", "text": f"The total? {CANARY}"},
        {"type": "image_url", "image_url": {"url": PNG}},
    ]
    return {"messages": [{"role": "user", "content": parts}], "task": "extract", **more}


TEXT = {"input": f"Jane lives next door, {CANARY}"}
CLOSED = [
    {**TEXT, "privacy": {"level": "restricted"}},
    {**TEXT, "privacy": {"level": "confidential"}},
    {**TEXT, "privacy": {"residency": "us"}},
    {**TEXT, "privacy": {"compliance": ["HIPAA"]}},
    {**TEXT, "preferences": {"tiers": ["device", "mec"]}},
    {**TEXT, "network": {"type": "offline"}},
    {"input": f"jane@example.com has diabetes, {CANARY}"},
    {"input": f"my card is 4111 1111 1111 1111, {CANARY}"},
    invoice(privacy={"level": "restricted"}),
    invoice(privacy={"residency": "us"}),
    invoice(preferences={"tiers": ["mec"]}),
]


@pytest.mark.parametrize("body", CLOSED, ids=range(len(CLOSED)))
def test_what_may_not_reach_the_cloud_is_shown_to_nobody(
    gateway: RunningGateway, stand_in: StandIn, body: Mapping[str, Any]
) -> None:
    before = len(stand_in.raw)
    assert ask(gateway, body).status_code in (200, 422, 502, 503)
    assert stand_in.raw[before:] == []


@pytest.mark.parametrize("body", [TEXT, invoice()], ids=["text", "image"])
def test_a_key_without_the_cloud_keeps_it_from_them(
    gateway: RunningGateway, stand_in: StandIn, body: Mapping[str, Any]
) -> None:
    before = len(stand_in.raw)
    ask(gateway, body, NEAR)
    assert stand_in.raw[before:] == []


def test_a_name_that_comprehend_finds_beside_an_illness_keeps_the_request_near(
    gateway: RunningGateway, stand_in: StandIn
) -> None:
    answer = ask(gateway, {"input": "Jane has diabetes; what may she eat in the evening?"}).json()
    assert len(stand_in.asked("DetectPiiEntities")) >= 1
    assert answer["routing"]["tier"] != "cloud"
    assert "restricted never goes to the cloud" in answer["routing"]["rejected"]["cloud/nova-pro"]


def test_the_text_of_an_image_lets_a_text_model_answer(gateway: RunningGateway, stand_in: StandIn) -> None:
    answer = ask(gateway, invoice()).raise_for_status().json()
    assert stand_in.asked("DetectDocumentText")[0]["Document"]["Bytes"].endswith(CANARY.encode())
    assert [name for name, why in answer["routing"]["rejected"].items() if why.startswith("modality")] == []
    assert any(name.startswith("mec/") for name in answer["routing"]["scores"])
