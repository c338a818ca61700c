"""The faults an upstream can be told to have, and the record of what reached it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal[
    "none",  # an ordinary answer
    "status",  # an error status, with `retry_after` if given
    "error_body",  # 200 with an error object as JSON
    "slow_headers",  # headers after `delay_s`
    "cut_after",  # the connection drops after `tokens`; `reset` for RST, otherwise FIN
    "stall_after",  # nothing more comes after `tokens`, the connection stays open
    "malformed",  # after `tokens` a line that is no JSON, or a frame with a wrong checksum; then it goes on
    "no_finish",  # no finish reason
    "no_usage",  # no token counts
    "no_done",  # no [DONE]
    "double_done",  # the end is sent twice
    "oversized",  # after `tokens` one event of `size_bytes`
    "half_open",  # the request is read and never answered
    "truncated_tool_json",  # the arguments of a tool call end in the middle
    "gzip_garbage",  # content-encoding gzip over bytes that are not
    "stream_error",  # an error event after `tokens`
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One scripted answer.

    `length` is the number of tokens of the whole text (None: the server's), `token_delay_s` the pause before
    each. `error` is the error code in a Bedrock answer (None: the one of `status`; throttling in a stream). With `framing="close"` the stream has no length and no
    chunks, so that a cut looks like a proper end on the wire.
    """

    kind: Kind = "none"
    tokens: int = 3
    status: int = 500
    retry_after: str | None = None
    reset: bool = False
    delay_s: float = 0.3
    size_bytes: int = 20 * 1024 * 1024
    error: str | None = None
    framing: Literal["chunked", "close"] = "chunked"
    length: int | None = None
    token_delay_s: float = 0.0


@dataclass(slots=True, kw_only=True)
class Exchange:
    """One request and what became of it; times are `time.monotonic()` seconds."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    fault: Fault
    arrived_at: float
    closed_at: float | None = None
    finished: bool = False
    tokens_sent: int = field(default=0)

    @property
    def json(self) -> Any:
        """The body decoded; an empty body is an empty object."""
        return json.loads(self.body or b"{}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer taken apart, so that a fault can strike between any two parts.

    For a stream `opening`, `tokens`, `finish`, `usage` and `done` are sent in this order; `whole` is the body
    when the answer is not streamed. `malformed` and `error` are the events of the faults of that name.
    """

    streams: bool
    content_type: str
    opening: bytes
    tokens: tuple[bytes, ...]
    finish: bytes
    usage: bytes
    done: bytes
    malformed: bytes
    error: bytes
    oversized: bytes
    whole: dict[str, Any]
    error_body: dict[str, Any]
    error_headers: Mapping[str, str] = field(default_factory=dict)
