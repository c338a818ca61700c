"""A key that Secrets Manager rotates: the deployed function takes the four steps, and callers have time to change over."""

from __future__ import annotations

import pytest

from tests.aws.conftest import Client, until
from tests.localaws.site import Site

TAKEN_OVER_S = 100.0
"""Keys are fetched again once a minute, and API Gateway remembers the authorizer's word for half a minute."""
BODY = {"input": "set a timer for 5 minutes"}


@pytest.mark.usefixtures("expiring")  # its minute passes while this test waits for one of its own
def test_a_rotated_key_opens_the_door_and_so_does_the_one_before(site: Site) -> None:
    secrets, operator = site.client("secretsmanager"), site.keys["operator"]
    before = Client(site, operator.value)
    assert before.post("/explain", BODY).status == 200

    secrets.rotate_secret(SecretId=operator.secret_arn)
    rotated = until(
        lambda: secrets.get_secret_value(SecretId=operator.secret_arn)["SecretString"],
        lambda value: value != operator.value,
    )
    stages = secrets.describe_secret(SecretId=operator.secret_arn)["VersionIdsToStages"]
    assert sorted(label for labels in stages.values() for label in labels if label != "AWSPENDING") == [
        "AWSCURRENT",
        "AWSPREVIOUS",
    ]
    after = Client(site, rotated)
    until(lambda: after.post("/explain", BODY).status, lambda status: status == 200, TAKEN_OVER_S)
    assert before.post("/explain", BODY).status == 200
    assert Client(site, f"{rotated}x").post("/explain", BODY).status == 401
