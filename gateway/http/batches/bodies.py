"""The body of `POST /v1/batches`, and the numbers in its lists' addresses."""

from __future__ import annotations

from typing import Annotated, Final, Literal
from urllib.parse import parse_qs

from msgspec import Meta, Struct

from gateway.http.exchange import Exchange
from gateway.http.wire import fields
from gateway.http.wire.inference import LocationBody, PreferencesBody, PrivacyBody
from router_core.errors import RequestError
from router_core.jobs.batches import Page

Seconds = Annotated[int, Meta(ge=3600, le=30 * 86_400)]
_MOST: Final = 100
_LONGEST: Final = 1024


class BatchTierwise(Struct, forbid_unknown_fields=True):
    """What holds for every line that says nothing itself, and for the batch as a whole: how long its window is, and what
    it may cost at most."""

    preferences: PreferencesBody | None = None
    privacy: PrivacyBody | None = None
    location: LocationBody | None = None
    window_s: Annotated[float, Meta(ge=1, le=86_400)] | None = None
    max_cost_usd: Annotated[float, Meta(ge=0, le=1_000_000)] | None = None


class ExpiresAfter(Struct, forbid_unknown_fields=True):
    anchor: Literal["created_at"]
    seconds: Seconds


class BatchBody(Struct, kw_only=True):
    """A batch as OpenAI's clients ask for one."""

    input_file_id: fields.ShortText
    endpoint: Literal["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses"]
    completion_window: Literal["24h"]
    metadata: fields.Metadata | None = None
    output_expires_after: ExpiresAfter | None = None
    tierwise: BatchTierwise | None = None


class StrictBatchBody(BatchBody, kw_only=True, forbid_unknown_fields=True):
    """The same where nothing is to be ignored."""


def page_of(exchange: Exchange) -> Page:
    """The part of a list that the address asks for. Raises RequestError."""
    query: bytes = exchange.scope.get("query_string", b"")
    if len(query) > _LONGEST:
        raise RequestError("the query is too long")
    given = {name: values[-1] for name, values in parse_qs(query.decode("latin-1")).items()}
    limit, order = given.get("limit", "20"), given.get("order", "desc")
    if not (limit.isascii() and limit.isdigit()) or not 1 <= int(limit[:6]) <= 10_000:
        raise RequestError("`limit` is a whole number from 1 to 100", field="limit")
    if order not in ("asc", "desc"):
        raise RequestError("`order` is asc or desc", field="order")
    after = given.get("after")
    return Page(
        limit=min(int(limit[:6]), _MOST),
        after=None if after is None else after[:64],
        ascending=order == "asc",
        purpose=given.get("purpose", "")[:32] or None,
    )
