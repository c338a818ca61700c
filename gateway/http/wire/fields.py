"""Bounded building blocks of wire bodies. Every number and every length has a limit, because the sender chooses it."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta

MAX_MESSAGES: Final = 2048
MAX_METADATA: Final = 16
MAX_METADATA_CHARS: Final = 512

Name = Annotated[str, Meta(min_length=1, max_length=256)]
ShortText = Annotated[str, Meta(max_length=256)]
Region = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
Fraction = Annotated[float, Meta(ge=0, le=1)]
Milliseconds = Annotated[float, Meta(ge=0, le=600_000)]
Amount = Annotated[float, Meta(ge=0, le=1e9)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]
Temperature = Annotated[float, Meta(ge=0, le=2)]
Seed = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Tokens = Annotated[int, Meta(ge=1, le=1_000_000)]
TokensOrNone = Annotated[int, Meta(ge=0, le=1_000_000)]
"""OpenAI's own client suite sends 0; it is read as "not set"."""
Choices = Annotated[int, Meta(ge=1, le=16)]
Stop = (
    Annotated[str, Meta(max_length=512)]
    | Annotated[list[Annotated[str, Meta(max_length=512)]], Meta(max_length=16)]
)
Metadata = Annotated[
    dict[str, Annotated[str, Meta(max_length=MAX_METADATA_CHARS)]], Meta(max_length=MAX_METADATA)
]

Task = Literal["chat", "command", "classify", "extract", "summarize", "embed"]
Tier = Literal["device", "mec", "cloud"]
Optimize = Literal["balanced", "latency", "cost", "quality", "privacy", "energy"]
Level = Literal["public", "internal", "confidential", "restricted"]
Regime = Literal["GDPR", "HIPAA", "PCI"]
DeviceClass = Literal["phone", "tablet", "wearable", "vehicle", "gateway", "sensor", "server"]
Thermal = Literal["nominal", "fair", "serious", "critical"]
NetworkType = Literal["ethernet", "wifi", "5g", "4g", "3g", "offline"]
