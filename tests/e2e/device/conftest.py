"""One gateway with a signing key for the whole suite."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from edge_runtime import Client
from tests.e2e.device.house import PUBLIC, SIGNING, options
from tests.running import RunningGateway, running_gateway


@pytest.fixture(scope="session")
def signing_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    folder = tmp_path_factory.mktemp("signing")
    with running_gateway("--sandbox", folder=folder, environment=SIGNING) as gateway:
        yield gateway


@pytest.fixture
async def client(signing_gateway: RunningGateway, tmp_path: Path) -> AsyncIterator[Client]:
    async with Client(
        signing_gateway.url, key=signing_gateway.key, trust=[PUBLIC], options=options(tmp_path / "home")
    ) as opened:
        yield opened
