"""The adapters that the model contract is run over. A new adapter is one more entry of `SUBJECTS`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from router_core.adapters.models.bedrock import BedrockModel
from router_core.adapters.models.google import GoogleModel
from router_core.adapters.models.http_pool import HttpPool
from router_core.adapters.models.openai_http import OpenAIModel
from router_core.adapters.models.sagemaker import SageMakerModel
from router_core.adapters.models.sigv4 import AwsKeys, static_credentials
from router_core.inference import Params
from router_core.ports import Model, ModelCall
from tests.upstream.server import FaultServer

SECRET = "key-that-must-not-show"
LENGTH = 10
"""Words in every answer of the upstream: "w0 w1 ... w9"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One adapter under test. `upstream` is None for a model that answers in this process."""

    model: Model
    upstream: FaultServer | None = None
    pool: HttpPool | None = None


def model_call(
    params: Params | None = None,
    *,
    text: str = "count for me",
    continuation: str | None = None,
    timeout_s: float = 5.0,
    idle_s: float = 5.0,
) -> ModelCall:
    """A call with one user message; generous times, as no test measures any."""
    return ModelCall(
        request_id="req-1",
        model="test-model",
        messages=({"role": "user", "content": text},),
        params=params or Params(temperature=0.0),
        task="chat",
        timeout_s=timeout_s,
        idle_s=idle_s,
        continuation=continuation,
    )


def openai_model(url: str) -> tuple[HttpPool, Model]:
    pool = HttpPool(f"{url}/v1")
    return pool, OpenAIModel(pool, model="test-model", api_key=SECRET)


def bedrock_model(url: str) -> tuple[HttpPool, Model]:
    pool = HttpPool(url)
    keys = AwsKeys(access_key_id="AKIDEXAMPLE", secret_access_key=SECRET, session_token=f"token-{SECRET}")
    credentials = static_credentials(keys)
    return pool, BedrockModel(
        pool, model="us.amazon.nova-micro-v1:0", region="us-east-1", credentials=credentials
    )


def sagemaker_model(url: str) -> tuple[HttpPool, Model]:
    pool = HttpPool(url)
    credentials = static_credentials(AwsKeys(access_key_id="AKIDEXAMPLE", secret_access_key=SECRET))
    return pool, SageMakerModel(
        pool, endpoint="chat-prod", model="test-model", region="eu-central-1", credentials=credentials
    )


def google_model(url: str) -> tuple[HttpPool, Model]:
    pool = HttpPool(f"{url}/v1beta")
    return pool, GoogleModel(pool, model="test-model", api_key=SECRET)


REMOTE: dict[str, Callable[[str], tuple[HttpPool, Model]]] = {
    "openai": openai_model,
    "bedrock": bedrock_model,
    "sagemaker": sagemaker_model,
    "google": google_model,
}


def _over_http(connect: Callable[[str], tuple[HttpPool, Model]]) -> OpenSubject:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Subject]:
        async with FaultServer(length=LENGTH) as upstream:
            pool, model = connect(upstream.url)
            try:
                yield Subject(model=model, upstream=upstream, pool=pool)
            finally:
                await pool.aclose()

    return opened


OpenSubject = Callable[[], AbstractAsyncContextManager[Subject]]
SUBJECTS: dict[str, OpenSubject] = {name: _over_http(connect) for name, connect in REMOTE.items()}
