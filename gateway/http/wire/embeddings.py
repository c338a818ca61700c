"""The body of `/v1/embeddings`."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from gateway.http.wire import fields
from gateway.http.wire.inference import TierwiseBody

Text = Annotated[str, Meta(min_length=1)]


class EmbeddingsBody(Struct, kw_only=True):
    """`input` is one text or up to 2,048; tokens are refused, because every model cuts text its own way."""

    model: fields.Name
    input: Text | Annotated[list[Text], Meta(min_length=1, max_length=2048)]
    dimensions: Annotated[int, Meta(ge=1, le=65_536)] | None = None
    encoding_format: Literal["float", "base64"] | None = None
    user: fields.ShortText | None = None
    tierwise: TierwiseBody | None = None


class StrictEmbeddingsBody(EmbeddingsBody, kw_only=True, forbid_unknown_fields=True):
    """The same where nothing is to be ignored."""
