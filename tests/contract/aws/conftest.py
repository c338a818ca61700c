"""One moto server per test process, and boto3 clients for it that are closed again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from tests.localmoto import Clients, client, running_moto


@pytest.fixture(scope="session")
def aws_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the local AWS. Shared: take names from `tests.localmoto.unique`, never reset it."""
    with running_moto(tmp_path_factory.mktemp("moto")) as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def aws(aws_endpoint: str) -> Iterator[Clients]:
    """`aws("dynamodb")` is the session's client of that service."""
    made: dict[str, Any] = {}
    with ExitStack() as stack:

        def of(service: str) -> Any:
            if service not in made:
                made[service] = stack.enter_context(closing(client(aws_endpoint, service)))
            return made[service]

        yield of
