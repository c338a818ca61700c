"""What several contract suites share: one real Redis per test process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.redis.servers import Server, running_redis


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that nobody pauses or kills; skips where the program is missing."""
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server
