"""From validated bodies to the core's request: the one `to_core` of every path.

Rules that a schema cannot say are checked here: exactly one of two fields, messages that make sense for their role,
no URL that a server would have to fetch.
"""

from __future__ import annotations

import binascii
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from gateway.http.bodies import check_encodable
from gateway.http.wire import inference as wire
from gateway.http.wire.decoding import HOST_CHOOSING
from gateway.http.wire.messages import Message as WireMessage
from gateway.http.wire.messages import RefusalPart, TextPart
from router_core.errors import ForbiddenError, RequestError
from router_core.inference import (
    DEFAULT_DEVICE,
    DEFAULT_LOCATION,
    DEFAULT_NETWORK,
    DEFAULT_PREFERENCES,
    DEFAULT_PRIVACY,
    TIERS,
    Caller,
    Device,
    InferenceRequest,
    Location,
    Message,
    Network,
    Params,
    Preferences,
    Privacy,
)
from router_core.record import dataclass

_IMAGE: Final = re.compile(r"data:image/[a-z0-9.+-]{1,32};base64,", re.IGNORECASE)
_NO_PARAMS: Final = Params()


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What the caller says about itself and its wishes, besides the conversation."""

    preferences: Preferences = DEFAULT_PREFERENCES
    device: Device = DEFAULT_DEVICE
    network: Network = DEFAULT_NETWORK
    location: Location = DEFAULT_LOCATION
    privacy: Privacy = DEFAULT_PRIVACY


NO_SITUATION: Final = Situation()


def inference_request(
    body: wire.InferenceBody, caller: Caller, request_id: str, *, cache_allowed: bool
) -> InferenceRequest:
    """`/inference` and `/explain`; raises RequestError for what contradicts itself."""
    if (body.messages is None) == (body.input is None):
        raise RequestError("give exactly one of `messages` and `input`")
    if body.messages is not None:
        messages = core_messages(body.messages)
    else:
        messages = ({"role": "user", "content": body.input},)
    asynchronous = body.mode == "async"
    if asynchronous and body.stream:
        raise RequestError("`stream` and `mode: async` exclude each other", field="$.stream")
    if body.webhook is not None and not asynchronous:
        raise RequestError("a webhook needs `mode: async`", field="$.webhook")
    if body.metadata:
        check_metadata(body.metadata)
    where = situation(body, caller)
    return InferenceRequest(
        request_id=request_id,
        received_s=time.time(),
        caller=caller,
        messages=messages,
        task=body.task,
        stream=bool(body.stream),
        params=_NO_PARAMS if body.params is None else _params(body.params),
        preferences=where.preferences,
        device=where.device,
        network=where.network,
        location=where.location,
        privacy=where.privacy,
        session_id=body.session_id,
        user=body.user,
        metadata=body.metadata or {},
        cache_allowed=cache_allowed,
        asynchronous=asynchronous,
    )


def situation(body: wire.InferenceBody | wire.TierwiseBody, caller: Caller) -> Situation:
    """The blocks shared by our paths and the `tierwise` field of `/v1`."""
    if not (body.preferences or body.device or body.network or body.location or body.privacy):
        return NO_SITUATION if caller.tiers == TIERS else Situation(preferences=_preferences(None, caller))
    return Situation(
        preferences=_preferences(body.preferences, caller),
        device=DEFAULT_DEVICE if body.device is None else _device(body.device),
        network=DEFAULT_NETWORK if body.network is None else Network(**msgspec.structs.asdict(body.network)),
        location=DEFAULT_LOCATION
        if body.location is None
        else Location(**msgspec.structs.asdict(body.location)),
        privacy=DEFAULT_PRIVACY if body.privacy is None else _privacy(body.privacy),
    )


def _preferences(body: wire.PreferencesBody | None, caller: Caller) -> Preferences:
    if body is None:
        return DEFAULT_PREFERENCES if caller.tiers == TIERS else Preferences(tiers=caller.tiers)
    wanted: Sequence[str] = TIERS if body.tiers is None else tuple(dict.fromkeys(body.tiers))
    tiers = tuple(tier for tier in wanted if tier in caller.tiers)
    if not tiers:
        raise ForbiddenError(f"this key may use {', '.join(caller.tiers)} only", field="$.preferences.tiers")
    return Preferences(
        optimize=body.optimize or "balanced",
        max_latency_ms=body.max_latency_ms,
        max_cost_usd=body.max_cost_usd,
        min_quality=body.min_quality,
        tiers=tiers,
        target=body.target,
        fallback=body.fallback,
    )


def _device(body: wire.DeviceBody) -> Device:
    return Device(
        id=body.id,
        device_class=body.device_class,
        models=tuple(body.models or ()),
        battery=body.battery,
        charging=body.charging,
        thermal=body.thermal,
        memory_free_mb=body.memory_free_mb,
        cpu_load=body.cpu_load,
        executes=bool(body.executes),
    )


def _privacy(body: wire.PrivacyBody) -> Privacy:
    return Privacy(
        level=body.level or DEFAULT_PRIVACY.level,
        residency=None if body.residency is None else body.residency.lower(),
        compliance=tuple(dict.fromkeys(body.compliance or ())),
    )


def _params(body: wire.ParamsBody) -> Params:
    extra = {
        name: value
        for name in ("tool_choice", "top_p", "stop", "seed")
        if (value := getattr(body, name)) is not None
    }
    if "tool_choice" in extra:
        extra["tool_choice"] = msgspec.to_builtins(extra["tool_choice"])
    return Params(
        max_tokens=body.max_tokens,
        temperature=body.temperature,
        response_format=plain(body.response_format, "$.params.response_format"),
        tools=tuple(plain(body.tools, "$.params.tools") or ()),
        extra=extra,
    )


def plain(value: Any, field: str) -> Any:
    """Free-form blocks as plain JSON objects that every tier's encoder takes; None stays None."""
    if value is None:
        return None
    built = msgspec.to_builtins(value)
    check_encodable(built, field)
    return built


def check_metadata(metadata: Mapping[str, str]) -> None:
    """Keys are as bounded as values, and none may pretend to choose a host."""
    for key in metadata:
        if key in HOST_CHOOSING:
            raise RequestError(f"`{key}` is not accepted", field="$.metadata")
        if not 0 < len(key) <= 64:
            raise RequestError("a metadata key has 1 to 64 characters", field="$.metadata")


def core_messages(messages: Sequence[WireMessage]) -> tuple[Message, ...]:
    """Messages in the core's form; `developer` becomes `system`, which every tier knows."""
    for index, message in enumerate(messages):
        # The commonest kind needs no further look.
        if message.role == "user" and type(message.content) is str:
            continue
        _check_message(message, index)
    return tuple(msgspec.to_builtins(messages))


def _check_message(message: WireMessage, index: int) -> None:
    where = f"$.messages[{index}]"
    if message.role == "developer":
        message.role = "system"
    _speak_refusals(message)
    if message.content is None and not (message.role == "assistant" and message.tool_calls):
        raise RequestError("a message needs content", field=f"{where}.content")
    if message.role == "tool" and message.tool_call_id is None:
        raise RequestError("a tool message names its `tool_call_id`", field=f"{where}.tool_call_id")
    if message.tool_calls is not None and message.role != "assistant":
        raise RequestError("only an assistant calls tools", field=f"{where}.tool_calls")
    if isinstance(message.content, list):
        _check_parts(message.content, where)


def _speak_refusals(message: WireMessage) -> None:
    """What the assistant refused in an earlier turn is said as text, because tiers know no other form of it."""
    if message.role == "assistant" and message.content is None and message.refusal:
        message.content = message.refusal
    message.refusal = None
    if isinstance(message.content, list):
        message.content = [
            TextPart(text=part.refusal) if isinstance(part, RefusalPart) else part for part in message.content
        ]


def _check_parts(parts: Sequence[Any], where: str) -> None:
    if not parts:
        raise RequestError("a message needs content", field=f"{where}.content")
    for number, part in enumerate(parts):
        at = f"{where}.content[{number}]"
        if (image := getattr(part, "image_url", None)) is not None:
            _check_image(image.url, at)
        elif (audio := getattr(part, "input_audio", None)) is not None:
            _check_base64(audio.data, at)


def _check_image(url: str, at: str) -> None:
    head = _IMAGE.match(url)
    if head is None:
        raise RequestError(
            "an image is given as `data:image/...;base64,...`; addresses are not fetched",
            field=f"{at}.image_url.url",
        )
    _check_base64(url[head.end() :], at)


def _check_base64(data: str, at: str) -> None:
    try:
        decoded = binascii.a2b_base64(data, strict_mode=True)
    except ValueError:
        decoded = b""
    if not decoded:
        raise RequestError("this is not base64 data", field=at)
