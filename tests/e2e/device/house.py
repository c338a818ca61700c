"""What the device's suites share: a signing key, a device at rest, and bundles made by hand."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from edge_runtime import Options
from edge_runtime.protocol.bundle import bundle_document, bundle_payload
from edge_runtime.protocol.envelope import BUNDLE_TYPE, new_key, signer
from router_core.inference import Device
from router_core.policy.document import Policy
from router_core.resources import Target, TargetSpec, TargetState

PRIVATE, PUBLIC = new_key()
SIGNING = {"BUNDLE_KEY": PRIVATE, "TIERWISE_DEVICE__SIGNING_KEY": "env:BUNDLE_KEY"}
SET_TIMER = "set a timer for 5 minutes"
TIMER = {"intent": "set_timer", "slots": {"duration_s": 300}}
CHAT = "Explain in two sentences why the sky is blue."
DEVICE_SPEC = TargetSpec(
    name="device/intent-v1",
    tier="device",
    kind="onnx",
    model="intent-v1",
    tasks=("command", "embed"),
    context_tokens=128,
    groups=("*",),
    ttft_ms=4.0,
    decode_ms=0.0,
    rtt_ms=0.0,
    quality={"command": 0.95},
    max_privacy="restricted",
)
CLOUD_SPEC = TargetSpec(
    name="cloud/big", tier="cloud", kind="bedrock", model="big", quality={"chat": 0.9}, capability=1.0
)


def rested() -> Device:
    """A device that nothing keeps from running a model, whatever this machine is doing."""
    return Device(battery=0.9, charging=False, thermal="nominal", executes=True)


def options(home: Path | None) -> Options:
    """A client's options on such a device."""
    return Options(home=home, device=rested)


def envelope(
    *,
    private: str = PRIVATE,
    specs: Sequence[TargetSpec] = (DEVICE_SPEC, CLOUD_SPEC),
    ttl_s: float = 3600.0,
    issued_s: float | None = None,
) -> bytes:
    """A signed bundle of these targets."""
    targets = [Target(spec=spec, state=TargetState(health="up")) for spec in specs]
    document = bundle_document(Policy(), targets, ())
    issued = time.time() if issued_s is None else issued_s
    return signer(private)(BUNDLE_TYPE, bundle_payload(document, issued_s=issued, ttl_s=ttl_s))
