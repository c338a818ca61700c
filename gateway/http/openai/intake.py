"""From OpenAI's bodies to the core's request, the same way for every path under `/v1`."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from operator import attrgetter
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from gateway.http import answers
from gateway.http.intake import Situation, core_messages, plain, situation
from gateway.http.openai.models import ModelNames
from gateway.http.wire.chat import EXTRA, ChatBody, CompletionBody
from gateway.http.wire.inference import TierwiseBody
from router_core.inference import Caller, InferenceRequest, Message, Params

_HARMLESS: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_MOST_NAMED: Final = 16


class Asking(Protocol):
    """Who asks, and under which id: an exchange, or a line of a batch."""

    request_id: str

    @property
    def known(self) -> Caller: ...

    @property
    def no_store(self) -> bool: ...


class Asked(NamedTuple):
    """What a body under `/v1` asks for, apart from its own shape. A tuple, because it lives for one call only."""

    model: str
    messages: tuple[Message, ...]
    params: Params
    stream: bool
    user: str | None
    tierwise: TierwiseBody | None


def to_core(asked: Asked, names: ModelNames, exchange: Asking, suffix: str = "") -> InferenceRequest:
    """The core's request. Raises ModelNotFoundError and RequestError. `suffix` tells apart several requests that
    one exchange makes."""
    meaning = names.meaning(asked.model)
    caller = exchange.known
    own = asked.tierwise
    where = context_of(own, caller)
    return InferenceRequest(
        request_id=exchange.request_id + suffix,
        received_s=time.time(),
        caller=caller,
        messages=asked.messages,
        task=None if own is None else own.task,
        stream=asked.stream,
        params=asked.params,
        preferences=meaning.applied(where.preferences),
        device=where.device,
        network=where.network,
        location=where.location,
        privacy=where.privacy,
        session_id=None if own is None else own.session_id,
        user=asked.user,
        cache_allowed=not exchange.no_store,
    )


def context_of(own: TierwiseBody | None, caller: Caller) -> Situation:
    return situation(own or _NOTHING, caller)


_NOTHING: Final = TierwiseBody()


def of_chat(body: ChatBody) -> Asked:
    """A chat body's own fields."""
    return Asked(
        model=body.model,
        messages=core_messages(body.messages),
        params=Params(
            max_tokens=body.max_completion_tokens or body.max_tokens or None,
            temperature=body.temperature,
            response_format=plain(body.response_format, "response_format"),
            tools=() if not body.tools else tuple(plain(body.tools, "tools")),
            extra=extra_of(body),
        ),
        stream=bool(body.stream),
        user=body.user,
        tierwise=body.tierwise,
    )


def of_completion(body: CompletionBody, prompt: str) -> Asked:
    """One prompt of a text completion's body."""
    return Asked(
        model=body.model,
        messages=({"role": "user", "content": prompt},),
        params=Params(max_tokens=body.max_tokens or None, temperature=body.temperature, extra=extra_of(body)),
        stream=bool(body.stream),
        user=body.user,
        tierwise=body.tierwise,
    )


def extra_of(body: ChatBody | CompletionBody) -> Mapping[str, Any]:
    """The sampling fields that were given, as plain JSON."""
    names, read = _CHAT_EXTRA if isinstance(body, ChatBody) else _TEXT_EXTRA
    values = read(body)
    if values == _NONE[: len(names)]:
        return _NO_EXTRA
    extra: dict[str, Any] = {
        name: value for name, value in zip(names, values, strict=True) if value is not None
    }
    choice = extra.get("tool_choice")
    if isinstance(choice, msgspec.Struct):
        extra["tool_choice"] = msgspec.to_builtins(choice)
    return extra


_NO_EXTRA: Final[Mapping[str, Any]] = {}
_NONE: Final = (None,) * len(EXTRA)
# Most bodies give none of these: one look at all of them is cheaper than one look at each.
_CHAT_EXTRA: Final = (EXTRA, attrgetter(*EXTRA))
_TEXT_NAMES: Final = tuple(name for name in EXTRA if name in CompletionBody.__struct_fields__)
_TEXT_EXTRA: Final = (_TEXT_NAMES, attrgetter(*_TEXT_NAMES))


def ignored_header(ignored: tuple[str, ...]) -> answers.Headers:
    """Names of fields without effect. They come from the client, so only harmless names are repeated."""
    named = [name for name in ignored if _HARMLESS.fullmatch(name)][:_MOST_NAMED]
    return [(b"x-tierwise-ignored-params", ", ".join(named).encode())] if named else []
