"""The body of `POST /inference` and `POST /explain`; its blocks are also what `tierwise` may hold under `/v1`."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from gateway.http.wire import fields
from gateway.http.wire.messages import ResponseFormat, StrictMessage, StrictTool, StrictToolChoice


class ParamsBody(Struct, forbid_unknown_fields=True):
    max_tokens: fields.Tokens | None = None
    temperature: fields.Temperature | None = None
    response_format: ResponseFormat | None = None
    tools: Annotated[list[StrictTool], Meta(max_length=128)] | None = None
    tool_choice: StrictToolChoice | None = None
    top_p: fields.Fraction | None = None
    stop: fields.Stop | None = None
    seed: fields.Seed | None = None


class PreferencesBody(Struct, forbid_unknown_fields=True):
    optimize: fields.Optimize | None = None
    max_latency_ms: Annotated[float, Meta(ge=1, le=600_000)] | None = None
    max_cost_usd: Annotated[float, Meta(ge=0, le=1_000_000)] | None = None
    min_quality: fields.Fraction | None = None
    tiers: Annotated[list[fields.Tier], Meta(min_length=1, max_length=3)] | None = None
    target: fields.Name | None = None
    fallback: bool | None = None


class DeviceBody(Struct, forbid_unknown_fields=True, rename={"device_class": "class"}):
    id: fields.ShortText | None = None
    device_class: fields.DeviceClass | None = None
    models: Annotated[list[fields.ShortText], Meta(max_length=64)] | None = None
    battery: fields.Fraction | None = None
    charging: bool | None = None
    thermal: fields.Thermal | None = None
    memory_free_mb: fields.Amount | None = None
    cpu_load: fields.Fraction | None = None
    executes: bool | None = None


class NetworkBody(Struct, forbid_unknown_fields=True):
    type: fields.NetworkType | None = None
    rtt_ms: fields.Milliseconds | None = None
    bandwidth_mbps: fields.Amount | None = None
    jitter_ms: fields.Milliseconds | None = None
    loss: fields.Fraction | None = None


class LocationBody(Struct, forbid_unknown_fields=True):
    region: fields.Region | None = None
    lat: Annotated[float, Meta(ge=-90, le=90)] | None = None
    lon: Annotated[float, Meta(ge=-180, le=180)] | None = None


class PrivacyBody(Struct, forbid_unknown_fields=True):
    level: fields.Level | None = None
    residency: fields.Region | None = None
    compliance: Annotated[list[fields.Regime], Meta(max_length=8)] | None = None


class WebhookBody(Struct, forbid_unknown_fields=True):
    url: Annotated[str, Meta(min_length=1, max_length=2048)]
    secret_ref: fields.ShortText | None = None


class InferenceBody(Struct, forbid_unknown_fields=True):
    """Exactly one of `messages` and `input` must be given; all else is optional."""

    messages: Annotated[list[StrictMessage], Meta(min_length=1, max_length=fields.MAX_MESSAGES)] | None = None
    input: Annotated[str, Meta(min_length=1)] | None = None
    task: fields.Task | None = None
    stream: bool | None = None
    mode: Literal["sync", "async"] | None = None
    params: ParamsBody | None = None
    preferences: PreferencesBody | None = None
    device: DeviceBody | None = None
    network: NetworkBody | None = None
    location: LocationBody | None = None
    privacy: PrivacyBody | None = None
    session_id: fields.ShortText | None = None
    user: fields.ShortText | None = None
    metadata: fields.Metadata | None = None
    webhook: WebhookBody | None = None


class TierwiseBody(Struct, forbid_unknown_fields=True):
    """The body field `tierwise` under `/v1`: what OpenAI's bodies cannot say."""

    preferences: PreferencesBody | None = None
    privacy: PrivacyBody | None = None
    device: DeviceBody | None = None
    network: NetworkBody | None = None
    location: LocationBody | None = None
    session_id: fields.ShortText | None = None
    task: fields.Task | None = None


class FeedbackBody(Struct, forbid_unknown_fields=True):
    score: fields.Fraction
    comment: Annotated[str, Meta(max_length=8192)] | None = None


class OutcomeBody(Struct, forbid_unknown_fields=True):
    status: Literal["completed", "failed", "cancelled"]
    output_tokens: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None
    latency_ms: fields.Milliseconds | None = None
    quality: fields.Fraction | None = None
    error: Annotated[str, Meta(max_length=512)] | None = None
