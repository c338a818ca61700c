"""One local AWS for what SNS and SQS carry."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.sqs.site import running_site


@pytest.fixture(scope="session")
def sqs_site() -> Iterator[str]:
    with running_site() as endpoint:
        yield endpoint
