"""A request as the core knows it and as it goes over the wire to `POST /inference`."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from edge_runtime.sdk.answers import Wishes
from edge_runtime.sdk.wishes import check_wishes
from router_core.inference import (
    TIERS,
    Caller,
    Device,
    InferenceRequest,
    Message,
    Network,
    Params,
    Preferences,
    Privacy,
)

OWNER: Final = Caller(tenant="device", key_id="device")
Prompt = str | Sequence[Message]


def new_id(kind: str) -> str:
    """A name nobody else makes: 96 random bits."""
    return f"{kind}_{secrets.token_hex(12)}"


def request_of(prompt: Prompt, wishes: Wishes, device: Device, network: Network) -> InferenceRequest:
    """The request as `decide()` reads it. Raises TypeError and ValueError for wishes that do not exist."""
    check_wishes(wishes)
    messages: tuple[Message, ...] = (
        ({"role": "user", "content": prompt},) if isinstance(prompt, str) else tuple(prompt)
    )
    return InferenceRequest(
        request_id=new_id("dev"),
        received_s=time.time(),
        caller=OWNER,
        messages=messages,
        task=wishes.get("task"),
        params=Params(
            max_tokens=wishes.get("max_tokens"),
            temperature=wishes.get("temperature"),
            response_format=wishes.get("response_format"),
        ),
        preferences=Preferences(
            optimize=wishes.get("optimize", "balanced"),
            max_latency_ms=wishes.get("max_latency_ms"),
            max_cost_usd=wishes.get("max_cost_usd"),
            min_quality=wishes.get("min_quality"),
            tiers=tuple(wishes.get("tiers", TIERS)),
        ),
        device=device,
        network=network,
        privacy=Privacy(level=wishes.get("privacy", "internal"), residency=wishes.get("residency")),
        session_id=wishes.get("session_id"),
        user=wishes.get("user"),
    )


def wire_body(request: InferenceRequest, *, tiers: Sequence[str], stream: bool) -> dict[str, Any]:
    """The body for the gateway, which decides anew among `tiers`; it is told of the device what bears on that."""
    prefs, device = request.preferences, request.device
    body = {
        "messages": list(request.messages),
        "task": request.task,
        "stream": stream,
        "params": _given(
            {
                "max_tokens": request.params.max_tokens,
                "temperature": request.params.temperature,
                "response_format": request.params.response_format,
            }
        ),
        "preferences": _given(
            {
                "optimize": prefs.optimize,
                "max_latency_ms": prefs.max_latency_ms,
                "max_cost_usd": prefs.max_cost_usd,
                "min_quality": prefs.min_quality,
                "tiers": list(tiers),
            }
        ),
        "device": _given(
            {"class": device.device_class, "battery": device.battery, "charging": device.charging}
        ),
        "network": _given({"type": _reached(request.network), "rtt_ms": request.network.rtt_ms}),
        "privacy": _given({"level": request.privacy.level, "residency": request.privacy.residency}),
        "session_id": request.session_id,
        "user": request.user,
    }
    return _given(body)


def _reached(network: Network) -> str | None:
    """Whoever reads this was reached: "offline" was true when the request was made, and no more."""
    return None if network.type == "offline" else network.type


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None and value != {}}
