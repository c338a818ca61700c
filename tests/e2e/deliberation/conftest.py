"""The stand-in for Bedrock in a process of its own, and Nova's client as the gateway builds it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from agents.deliberation.nova import NovaThinker
from gateway.composition.deliberation import nova_place
from gateway.composition.sandbox import Access
from gateway.sandbox.processes import StandIns, start_standins
from gateway.settings.schema import DeliberationSettings
from gateway.settings.secrets import Secret
from router_core.adapters.data_files import load_data

pytest.importorskip("strands", reason="the deliberation extra is not installed")


@pytest.fixture(scope="module")
def bedrock() -> Iterator[StandIns]:
    started = start_standins(mec_nodes=0, pace=0.0)
    yield started
    started.stop()


def nova_at(url: str, key_id: str, secret: str, *, streams: bool = False) -> NovaThinker:
    """Nova's client at this address."""
    settings = DeliberationSettings(streams=streams)
    access = Access(bedrock_url=url, access_key_id=key_id, secret_access_key=Secret(secret, "sandbox"))
    return NovaThinker(nova_place(settings, "us-east-1", access, load_data()))


@pytest.fixture
async def nova(bedrock: StandIns) -> AsyncIterator[NovaThinker]:
    bedrock.script(bedrock.bedrock_url, {"reset": True})
    thinker = nova_at(bedrock.bedrock_url, bedrock.access_key_id, bedrock.secret_access_key)
    yield thinker
    await thinker.close()


@pytest.fixture
async def streaming(bedrock: StandIns) -> AsyncIterator[NovaThinker]:
    """Nova, whose answers are read as they come."""
    bedrock.script(bedrock.bedrock_url, {"reset": True})
    thinker = nova_at(bedrock.bedrock_url, bedrock.access_key_id, bedrock.secret_access_key, streams=True)
    yield thinker
    await thinker.close()


@pytest.fixture
async def nowhere() -> AsyncIterator[NovaThinker]:
    """Nova at an address where nobody listens."""
    thinker = nova_at("http://127.0.0.1:9", "key", "secret")
    yield thinker
    await thinker.close()
