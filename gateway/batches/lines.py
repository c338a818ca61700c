"""One line of a batch's file: what it must be, and the core's request that it asks for.

A line says what a request to its endpoint would say. What its batch says of privacy and preferences holds where the line
says nothing, and of two levels of privacy the stricter one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from agents.assembly import embedding
from gateway.http.openai.embeddings import embed_request
from gateway.http.openai.intake import Asked, of_chat, of_completion, to_core
from gateway.http.openai.models import ModelNames
from gateway.http.openai.responses_intake import of_responses
from gateway.http.wire.chat import ChatBody, CompletionBody, StrictChatBody, StrictCompletionBody
from gateway.http.wire.decoding import BodyDecoder, LenientDecoder
from gateway.http.wire.embeddings import EmbeddingsBody, StrictEmbeddingsBody
from gateway.http.wire.inference import PrivacyBody, TierwiseBody
from gateway.http.wire.responses import ResponsesBody, StrictResponsesBody
from router_core.errors import RequestError
from router_core.inference import PRIVACY_LEVELS, Caller, InferenceRequest
from router_core.record import dataclass

Body = ChatBody | CompletionBody | EmbeddingsBody | ResponsesBody
CustomId = Annotated[str, Meta(min_length=1, max_length=512)]


class LineBody(Struct, forbid_unknown_fields=True):
    """A line as OpenAI has it."""

    custom_id: CustomId
    url: str
    body: msgspec.Raw
    method: Literal["POST"] = "POST"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line that was read. `number` counts from 1."""

    number: int
    custom_id: str
    body: Body


@dataclass(slots=True, kw_only=True)
class LineAsking:
    """Who asks in a line."""

    request_id: str
    known: Caller
    no_store: bool = False


_LINE: Final = BodyDecoder(LineBody, once=("custom_id", "body"))
_DECODERS: Final[Mapping[str, Callable[[bytes], tuple[Body, tuple[str, ...]]]]] = {
    "/v1/chat/completions": LenientDecoder[ChatBody](StrictChatBody, ChatBody).decode,
    "/v1/completions": LenientDecoder[CompletionBody](StrictCompletionBody, CompletionBody).decode,
    "/v1/embeddings": LenientDecoder[EmbeddingsBody](StrictEmbeddingsBody, EmbeddingsBody).decode,
    "/v1/responses": LenientDecoder[ResponsesBody](StrictResponsesBody, ResponsesBody).decode,
}


def read_line(number: int, raw: bytes, endpoint: str) -> Line:
    """Raises RequestError for a line that is none, or is for another endpoint."""
    found = _LINE.decode(raw)
    if found.url != endpoint:
        raise RequestError(f"`url` must be the batch's endpoint, {endpoint}", field="$.url")
    body, _ = _DECODERS[endpoint](bytes(found.body))
    if getattr(body, "stream", None):
        raise RequestError("answers of a batch are not streamed; leave out `stream`", field="$.body.stream")
    if isinstance(body, CompletionBody) and not isinstance(body.prompt, str):
        raise RequestError("a line has one `prompt`; give each its own line", field="$.body.prompt")
    return Line(number=number, custom_id=found.custom_id, body=body)


def request_of_line(
    line: Line, asking: LineAsking, names: ModelNames, shared: TierwiseBody | None
) -> InferenceRequest:
    """The core's request. Raises RequestError, ForbiddenError or ModelNotFoundError."""
    body = line.body
    if shared is not None:
        body.tierwise = merged(body.tierwise, shared)
    if isinstance(body, EmbeddingsBody):
        made = embedding(embed_request(body, names, asking))
    else:
        made = to_core(_asked(body), names, asking)
    return replace(made, asynchronous=True)


def _asked(body: ChatBody | CompletionBody | ResponsesBody) -> Asked:
    if isinstance(body, ChatBody):
        return of_chat(body)
    if isinstance(body, CompletionBody):
        return of_completion(body, body.prompt if isinstance(body.prompt, str) else body.prompt[0])
    return of_responses(body)


def merged(own: TierwiseBody | None, shared: TierwiseBody) -> TierwiseBody:
    """What holds for a line: its own words, else its batch's; of privacy both. Raises RequestError where the two name
    different residencies."""
    if own is None:
        return shared
    return TierwiseBody(
        preferences=own.preferences or shared.preferences,
        privacy=_stricter(own.privacy, shared.privacy),
        device=own.device or shared.device,
        network=own.network or shared.network,
        location=own.location or shared.location,
        session_id=own.session_id or shared.session_id,
        task=own.task or shared.task,
    )


def _stricter(own: PrivacyBody | None, shared: PrivacyBody | None) -> PrivacyBody | None:
    if own is None or shared is None:
        return own or shared
    places = {place.lower() for place in (own.residency, shared.residency) if place is not None}
    if len(places) > 1:
        raise RequestError("line and batch name two residencies", field="$.body.tierwise.privacy.residency")
    levels = [level for level in (own.level, shared.level) if level is not None]
    return PrivacyBody(
        level=max(levels, key=PRIVACY_LEVELS.index, default=None),
        residency=places.pop() if places else None,
        compliance=[*(own.compliance or ()), *(shared.compliance or ())][:8] or None,
    )
