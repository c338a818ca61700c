"""The body of `POST /device/outcomes`: what a device did by itself, many reports at once, none with content."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from gateway.http.wire import fields

MAX_REPORTS = 256
ReportId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{8,64}$")]


class ReportBody(Struct, forbid_unknown_fields=True):
    """One request that the device answered, or tried to; `id` is the device's own and never used twice."""

    id: ReportId
    target: fields.Name
    status: Literal["completed", "failed", "cancelled"]
    time_s: Annotated[float, Meta(ge=0, le=1e11)] | None = None
    task: fields.Task | None = None
    policy: fields.ShortText | None = None
    reason: Literal["offline", "slow", "refused", "over_budget", "unavailable"] | None = None
    output_tokens: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None
    latency_ms: fields.Milliseconds | None = None
    quality: fields.Fraction | None = None


class JudgementBody(Struct, forbid_unknown_fields=True):
    """What a user thought of the answer that `report` tells of."""

    id: ReportId
    report: ReportId
    target: fields.Name
    score: fields.Fraction


class OutcomesBody(Struct, forbid_unknown_fields=True):
    """A batch; a part of it that was taken before changes nothing."""

    reports: Annotated[list[ReportBody], Meta(max_length=MAX_REPORTS)] = []
    judgements: Annotated[list[JudgementBody], Meta(max_length=MAX_REPORTS)] = []
