"""API Gateway's door."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from router_core.deployment import usage_key
from tests.parity.cases import KEY
from tests.parity.site import House
from tests.unit.hosts.house import one_server

ARN = "arn:aws:execute-api:eu-central-1:123456789012:abc123/live/POST/inference"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with one_server(tmp_path) as (found, _):
        yield found


def test_a_known_key_opens_the_whole_stage(house: House) -> None:
    told = house.host("authorizer")({"authorizationToken": f"Bearer {KEY}", "methodArn": ARN}, None)
    assert told["context"] == {"tenant": "acme", "key_id": "phone", "role": "user"}
    statement = told["policyDocument"]["Statement"][0]
    assert statement["Effect"] == "Allow"
    assert statement["Resource"] == "arn:aws:execute-api:eu-central-1:123456789012:abc123/live/*"
    assert KEY not in str(told)
    assert told["usageIdentifierKey"] == usage_key("dev")


@pytest.mark.parametrize("token", ["", "Bearer", "Bearer who", f"Basic {KEY}", "Bearer \ud800", KEY])
def test_any_other_is_unauthorized_in_the_words_api_gateway_wants(house: House, token: str) -> None:
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        house.host("authorizer")({"authorizationToken": token, "methodArn": ARN}, None)
