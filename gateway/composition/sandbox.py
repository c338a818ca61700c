"""What the sandbox adds: the real device model, and stand-ins for tiers that nobody configured.

Regions differ on purpose, so that a residency has something to rule out.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from gateway.settings.schema import TargetSettings
from gateway.settings.secrets import Secret

MEC_MODEL: Final = "llama-3.1-8b"
_CLOUD: Final = (
    ("cloud/nova-micro", "amazon.nova-micro-v1:0", "us-east-1"),
    ("cloud/nova-lite", "amazon.nova-lite-v1:0", "eu-central-1"),
    ("cloud/nova-pro", "amazon.nova-pro-v1:0", "us-east-1"),
    ("cloud/titan-embed", "amazon.titan-embed-text-v2:0", "us-east-1"),
)
DEVICE: Final = (
    TargetSettings(name="device/intent-v1", kind="onnx", model="intent-v1", tasks=("command",)),
    TargetSettings(
        name="device/minilm", kind="onnx", model="intent-v1", tasks=("embed",), context_tokens=256
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Where the stand-ins listen and what opens them; None where there is none."""

    mec_url: str | None = None
    mec_api_key: Secret | None = None
    bedrock_url: str | None = None
    access_key_id: str = ""
    secret_access_key: Secret | None = field(default=None, repr=False)


NO_ACCESS: Final = Access()
NOT_STARTED: Final = Access(mec_url="http://127.0.0.1:9", bedrock_url="http://127.0.0.1:9")
"""Addresses for deciding without starting anything; nothing is ever sent there."""


def sandbox_targets(tiers: Collection[str], access: Access) -> tuple[TargetSettings, ...]:
    """Targets for those of `tiers` that the sandbox can stand in for."""
    found = list(DEVICE) if "device" in tiers else []
    if "mec" in tiers and access.mec_url is not None:
        found.append(_mec(access.mec_url))
    if "cloud" in tiers and access.bedrock_url is not None:
        found += [_cloud(*entry, access.bedrock_url) for entry in _CLOUD]
    return tuple(found)


def _mec(url: str) -> TargetSettings:
    return TargetSettings(
        name="mec/edge-sim",
        kind="openai",
        base_url=f"{url}/v1",
        model=MEC_MODEL,
        context_tokens=8192,
        region="eu-central-1",
        lat=50.11,
        lon=8.68,
        emulated=True,
    )


def _cloud(name: str, model: str, region: str, url: str) -> TargetSettings:
    return TargetSettings(
        name=name, kind="bedrock", model=model, region=region, endpoint_url=url, emulated=True
    )
