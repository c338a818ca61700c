"""Builds the adapters of every planned target: one model, embedder and probe each, by the target's kind.

Engines, pools and signers are imported here and only for the kinds that are configured, because each costs memory
and start-up time.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.composition.plan import Plan, PlannedTarget
from router_core.errors import ConfigurationError, StoreError
from router_core.ports import Embedder, HealthProbe, Model

if TYPE_CHECKING:
    from edge_runtime.opening import Opened, Owner
    from router_core.adapters.models.sigv4 import Credentials

Close = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Adapters:
    """What was built, by target name, and how to close it, in order of building."""

    models: dict[str, Model] = field(default_factory=dict)
    embedders: dict[str, Embedder] = field(default_factory=dict)
    probes: dict[str, HealthProbe] = field(default_factory=dict)
    closers: list[Close] = field(default_factory=list)
    credentials: Credentials | None = None
    devices: dict[Path, Opened] = field(default_factory=dict)


Build = Callable[[PlannedTarget, Plan, Adapters], None]


def build_adapters(made: Plan) -> Adapters:
    """Adapters of all targets. Raises `ConfigurationError` naming the target."""
    built = Adapters()
    builders: Mapping[str, Build] = {
        "onnx": _onnx,
        "openai": _openai,
        "bedrock": _bedrock,
        "sagemaker": _sagemaker,
    }
    for target in made.targets:
        builders[target.spec.kind](target, made, built)
        if dimensions := _dimensions(target, made):
            _watch(target, dimensions, built)
    return built


def _dimensions(target: PlannedTarget, made: Plan) -> Mapping[str, str]:
    """Where the target's metrics are: as its settings say, else, where it is to be watched at all, as AWS names them."""
    settings = target.settings
    if settings.cloudwatch or target.stand_in or not (made.settings.signals.cloudwatch or settings.quotas):
        return settings.cloudwatch
    if target.spec.kind == "bedrock":
        return {"ModelId": target.spec.model}
    if target.spec.kind == "sagemaker":
        return {"EndpointName": settings.endpoint or "", "VariantName": "AllTraffic"}
    return {}


def _watch(target: PlannedTarget, dimensions: Mapping[str, str], built: Adapters) -> None:
    """What CloudWatch tells of the target, in the place of any other look at it, and what its quotas make of that."""
    if find_spec("boto3") is None:
        raise ConfigurationError(f"target {target.spec.name}: cloudwatch needs the aws extra")
    from router_core.adapters.aws.client import aws_client
    from router_core.adapters.aws.cloudwatch_metrics import WATCHES, CloudWatchProbe

    try:
        client = aws_client("cloudwatch", region=target.spec.region)
    except StoreError as error:
        raise ConfigurationError(f"target {target.spec.name}: cloudwatch: {error}") from None
    probe = CloudWatchProbe(client, WATCHES[target.spec.kind], dimensions)
    built.probes[target.spec.name] = probe
    built.closers.append(probe.close)
    if target.settings.quotas:
        from router_core.adapters.aws.service_quotas import QuotaProbe, ServiceQuotas

        quotas = ServiceQuotas(aws_client("service-quotas", region=target.spec.region))
        built.probes[target.spec.name] = QuotaProbe(probe, quotas, target.settings.quotas)
        built.closers.append(quotas.close)


def _onnx(target: PlannedTarget, made: Plan, built: Adapters) -> None:
    from edge_runtime.store import SHIPPED

    folder = (target.settings.path or SHIPPED / target.settings.model).resolve()
    if folder not in built.devices:
        built.devices[folder] = _load_device(target, folder, made)
        owner = built.devices[folder].owner
        built.closers.append(lambda: _close_owner(owner))
    opened = built.devices[folder]
    built.models[target.spec.name] = opened.model
    built.embedders[target.spec.name] = opened.model
    built.probes[target.spec.name] = opened.probe


def _load_device(target: PlannedTarget, folder: Path, made: Plan) -> Opened:
    """One engine and one thread per model folder, however many targets use it."""
    from edge_runtime.engines.model_folder import ModelFolderError
    from edge_runtime.opening import open_folder

    device = made.settings.device
    try:
        return open_folder(folder, threads=device.threads, limit=device.queue, count=_count(folder))
    except ImportError as error:
        raise ConfigurationError(
            f"target {target.spec.name} needs the edge extra, for a language model the genai one: "
            "pip install 'tierwise[edge,genai]'"
        ) from error
    except ModelFolderError as error:
        raise ConfigurationError(f"target {target.spec.name}: {error}") from error


def _count(folder: Path) -> Callable[[str], int]:
    """Tokens of a text, by the tokenizer of a folder that was found whole."""
    made: list[Any] = []

    def count(text: str) -> int:
        if not made:
            from tokenizers import Tokenizer

            from edge_runtime.engines.model_folder import TOKENIZER

            made.append(Tokenizer.from_file(str(folder / TOKENIZER)))
        return len(made[0].encode(text, add_special_tokens=False).ids)

    return count


async def _close_owner(owner: Owner) -> None:
    owner.close()


def _openai(target: PlannedTarget, made: Plan, built: Adapters) -> None:
    from router_core.adapters.models.http_pool import HttpPool
    from router_core.adapters.models.openai_http import OpenAIModel
    from router_core.adapters.models.vllm_probe import VllmProbe

    key = target.secret.reveal() if target.secret is not None else None
    url = target.settings.base_url or ""
    pool = HttpPool(url, max_connections=_connections(target))
    model = OpenAIModel(pool, model=target.spec.model, api_key=key)
    built.models[target.spec.name] = model
    built.embedders[target.spec.name] = model
    built.probes[target.spec.name] = VllmProbe(pool, model=target.spec.model, api_key=key)
    built.closers.append(pool.aclose)


def _connections(target: PlannedTarget) -> int:
    # Streams hold a connection each for as long as they run; a pool that is too small would queue where nobody looks.
    return max(512, 2 * target.spec.max_concurrency)


def _bedrock(target: PlannedTarget, made: Plan, built: Adapters) -> None:
    from router_core.adapters.models.bedrock import BedrockEmbedder, BedrockModel, bedrock_url
    from router_core.adapters.models.http_pool import HttpPool
    from router_core.adapters.wire.bedrock_extras import ConverseExtras

    region, model = target.spec.region or "", target.spec.model
    url = target.settings.endpoint_url or bedrock_url(region)
    credentials = _shared_credentials(made, built)
    pool = HttpPool(url, max_connections=_connections(target))
    built.closers.append(pool.aclose)
    if "embed" in target.spec.tasks:
        built.embedders[target.spec.name] = BedrockEmbedder(
            pool, model=model, region=region, credentials=credentials
        )
        return
    settings = target.settings
    built.models[target.spec.name] = BedrockModel(
        pool,
        model=model,
        region=region,
        credentials=credentials,
        native_schema=target.native_schema,
        extras=ConverseExtras(
            guardrail=settings.guardrail,
            version=settings.guardrail_version,
            stream_mode=settings.guardrail_stream,
            cache_points=settings.prompt_cache,
        ),
    )


def _sagemaker(target: PlannedTarget, made: Plan, built: Adapters) -> None:
    from router_core.adapters.models.http_pool import HttpPool
    from router_core.adapters.models.sagemaker import SageMakerModel, sagemaker_url

    region = target.spec.region or ""
    pool = HttpPool(
        target.settings.endpoint_url or sagemaker_url(region), max_connections=_connections(target)
    )
    built.closers.append(pool.aclose)
    built.models[target.spec.name] = SageMakerModel(
        pool,
        endpoint=target.settings.endpoint or "",
        model=target.spec.model,
        region=region,
        credentials=_shared_credentials(made, built),
    )


def _shared_credentials(made: Plan, built: Adapters) -> Credentials:
    if built.credentials is None:
        built.credentials = found_credentials(made, os.environ)
    return built.credentials


def found_credentials(made: Plan, environ: Mapping[str, str]) -> Credentials:
    """The stand-in's keys in the sandbox, else those of the environment, else wherever botocore finds some."""
    from router_core.adapters.models.sigv4 import AwsKeys, static_credentials

    if made.access.secret_access_key is not None:
        secret = made.access.secret_access_key.reveal()
        return static_credentials(AwsKeys(access_key_id=made.access.access_key_id, secret_access_key=secret))
    key_id, secret = environ.get("AWS_ACCESS_KEY_ID"), environ.get("AWS_SECRET_ACCESS_KEY", "")
    if key_id and secret:
        token = environ.get("AWS_SESSION_TOKEN") or None
        return static_credentials(
            AwsKeys(access_key_id=key_id, secret_access_key=secret, session_token=token)
        )
    if find_spec("botocore") is None:
        raise ConfigurationError(
            "a Bedrock target needs AWS keys in the environment, or the aws extra to find them"
        )
    from router_core.adapters.models.bedrock_credentials import SessionCredentials

    return SessionCredentials()
