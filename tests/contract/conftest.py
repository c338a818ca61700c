"""What several contract suites share: one real Redis and one local AWS per test process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from tests.contract.redis.servers import Server, running_redis
from tests.localmoto import Clients, client, running_moto


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that nobody pauses or kills; skips where the program is missing."""
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


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
