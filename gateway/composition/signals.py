"""Opens the services outside that the settings ask for signals; without any, no AWS SDK is imported."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from typing import Any

from agents.sensing import SignalServices
from gateway.settings.schema import Settings
from router_core.adapters.data_files import groups_of, load_data
from router_core.errors import ConfigurationError, StoreError
from router_core.ports import DocumentReader, TextScan

Closers = list[Callable[[], Awaitable[None]]]


async def open_signals(settings: Settings, closers: Closers) -> SignalServices | None:
    """The services, None where none is asked for. Raises `ConfigurationError`."""
    asked = settings.signals
    if asked.comprehend is None and asked.textract is None:
        return None
    data = load_data(settings.data.models, settings.data.regions)
    scan: TextScan | None = None
    reader: DocumentReader | None = None
    wait_s = max(1.0, asked.budget_ms / 1000.0)
    if asked.comprehend is not None:
        from router_core.adapters.aws.comprehend import ComprehendScan

        scan = ComprehendScan(await _client("comprehend", asked.comprehend, wait_s))
        closers.append(scan.close)
    if asked.textract is not None:
        from router_core.adapters.aws.textract import TextractReader

        reader = TextractReader(await _client("textract", asked.textract, wait_s))
        closers.append(reader.close)
    return SignalServices(
        scan=scan,
        scan_groups=groups_of(data, asked.comprehend),
        reader=reader,
        reader_groups=groups_of(data, asked.textract),
        budget_s=asked.budget_ms / 1000.0,
    )


async def _client(service: str, region: str, wait_s: float) -> Any:
    if find_spec("boto3") is None:
        raise ConfigurationError(
            f"settings: signals.{service} needs its package: pip install 'tierwise[aws]'"
        )
    from router_core.adapters.aws.client import aws_client

    try:
        return await asyncio.to_thread(aws_client, service, region=region, read_s=wait_s)
    except StoreError as error:
        raise ConfigurationError(f"settings: signals.{service}: {error}") from None
