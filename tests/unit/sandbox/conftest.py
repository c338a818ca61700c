"""One pair of unpaced stand-ins for these tests, with clients that do not retry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import openai
import pytest
from botocore.config import Config

from gateway.sandbox.processes import StandIns, start_standins

NO_RETRY = Config(retries={"max_attempts": 0}, read_timeout=60)


@pytest.fixture(scope="module")
def running() -> Iterator[StandIns]:
    standins = start_standins(pace=0)
    yield standins
    standins.stop()


@pytest.fixture
def standins(running: StandIns) -> StandIns:
    """The stand-ins with empty scripts and records."""
    for url in (running.bedrock_url, *running.mec_urls):
        running.script(url, {"reset": True, "watch": []})
    return running


@pytest.fixture
def bedrock(standins: StandIns) -> Iterator[Any]:
    # Typed by hand: the service has no stubs here, and the tests read its answers as plain JSON.
    client: Any = boto3.client(
        "bedrock-runtime",
        endpoint_url=standins.bedrock_url,
        region_name="eu-central-1",
        aws_access_key_id=standins.access_key_id,
        aws_secret_access_key=standins.secret_access_key,
        config=NO_RETRY,
    )
    yield client
    client.close()


@pytest.fixture
def mec(standins: StandIns) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=f"{standins.mec_urls[0]}/v1", api_key=standins.mec_api_key, max_retries=0, timeout=60
    ) as client:
        yield client
