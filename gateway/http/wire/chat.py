"""The bodies of `/v1/chat/completions` and `/v1/completions`.

A field that is not declared here is accepted, not passed on, and named in the header `x-tierwise-ignored-params`,
whether OpenAI knows it or not: a client learns what had no effect.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from gateway.http.wire import fields
from gateway.http.wire.inference import TierwiseBody
from gateway.http.wire.messages import Message, ResponseFormat, Tool, ToolChoice

Bias = Annotated[
    dict[Annotated[str, Meta(max_length=64)], Annotated[float, Meta(ge=-100, le=100)]], Meta(max_length=1024)
]


class StreamOptions(Struct):
    include_usage: bool | None = None


class Sampling(Struct):
    """What chat and text completions share."""

    model: fields.Name
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: fields.TokensOrNone | None = None
    temperature: fields.Temperature | None = None
    top_p: fields.Fraction | None = None
    frequency_penalty: fields.Penalty | None = None
    presence_penalty: fields.Penalty | None = None
    logit_bias: Bias | None = None
    n: fields.Choices | None = None
    seed: fields.Seed | None = None
    stop: fields.Stop | None = None
    user: fields.ShortText | None = None
    tierwise: TierwiseBody | None = None


class ChatBody(Sampling, kw_only=True):
    messages: Annotated[list[Message], Meta(min_length=1, max_length=fields.MAX_MESSAGES)]
    max_completion_tokens: fields.TokensOrNone | None = None
    response_format: ResponseFormat | None = None
    tools: Annotated[list[Tool], Meta(max_length=128)] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    modalities: Annotated[list[Literal["text"]], Meta(max_length=4)] | None = None


class StrictChatBody(ChatBody, kw_only=True, forbid_unknown_fields=True):
    """The same where nothing is to be ignored: tried first, because it needs no second look at the body."""


class CompletionBody(Sampling, kw_only=True):
    """`prompt` is one text or several; tokens are refused, because every model cuts text its own way."""

    prompt: (
        Annotated[str, Meta(min_length=1)]
        | Annotated[list[Annotated[str, Meta(min_length=1)]], Meta(min_length=1, max_length=16)]
    )
    echo: bool | None = None


class StrictCompletionBody(CompletionBody, kw_only=True, forbid_unknown_fields=True):
    """The same where nothing is to be ignored."""


EXTRA: Final = (
    "top_p", "frequency_penalty", "presence_penalty", "logit_bias", "n", "seed", "stop", "tool_choice",
    "parallel_tool_calls", "logprobs", "top_logprobs", "reasoning_effort",
)  # fmt: skip
"""Sampling fields that go to the tier as they are."""
