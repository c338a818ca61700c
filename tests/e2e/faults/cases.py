"""The fault matrix: each fault, how an answer can end under it, and every form in which it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Literal

from tests.upstream.server import Fault

Wire = Literal["openai", "bedrock"]
Ending = Literal["ok", "before", "midway", "broken_call"]
"""How one attempt ends: whole; failed before the client has anything; failed after some words; failed inside a tool
call, where no other target can go on."""

WIRES: tuple[Wire, ...] = ("openai", "bedrock")
FORMS = ("inference", "inference_sse", "chat", "chat_stream")
LENGTH = 10
"""Words in every whole answer."""
STRUCK_AFTER = 3
"""Words before a fault in the middle of a stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One fault. `whole` and `stream` are the endings of an attempt; `status` is what a client gets when nobody can
    help and nothing was sent. `alone`: the fault changes the target's standing, so each case has a target of its own.
    `heavy`: so many bytes that the cases are asked one after the other.
    """

    name: str
    fault: Fault
    whole: Ending
    stream: Ending
    status: int = 502
    alone: bool = False
    tools: bool = False
    wires: tuple[Wire, ...] = WIRES
    forms: tuple[str, ...] = FORMS
    heavy: bool = False
    timeout_s: float = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One request of the matrix: a row, the protocol of the failing target, the form, and whether a healthy target
    stands by."""

    row: Row
    wire: Wire
    form: str
    helped: bool

    @property
    def streams(self) -> bool:
        return self.form in ("inference_sse", "chat_stream")

    @property
    def ending(self) -> Ending:
        return self.row.stream if self.streams else self.row.whole

    @property
    def target(self) -> str:
        """The failing target's name."""
        tier = "mec" if self.wire == "openai" else "cloud"
        own = f"-{self.form}-{'helped' if self.helped else 'single'}" if self.row.alone else ""
        return f"{tier}/{self.row.name}{own}"

    @property
    def id(self) -> str:
        return f"{self.row.name}-{self.wire}-{self.form}-{'helped' if self.helped else 'single'}"


def _status(code: int, **more: str) -> Fault:
    return Fault(kind="status", status=code, **more)  # type: ignore[arg-type]  # retry_after only


def _cut(*, reset: bool, framing: Literal["chunked", "close"], tokens: int = STRUCK_AFTER) -> Fault:
    return Fault(kind="cut_after", tokens=tokens, reset=reset, framing=framing)


def _streamed(
    name: str, fault: Fault, *, alone: bool = False, whole: Ending = "before", status: int = 502
) -> Row:
    return Row(name=name, fault=fault, whole=whole, stream="midway", alone=alone, status=status)


def _refusing(name: str, fault: Fault, *, status: int = 502, alone: bool = False) -> Row:
    return Row(name=name, fault=fault, whole="before", stream="before", status=status, alone=alone)


def _harmless(name: str, fault: Fault) -> Row:
    return Row(name=name, fault=fault, whole="ok", stream="ok")


REFUSED = _refusing("refused", Fault())
"""Played by a port that nobody listens on."""
MIB = 2**20
ROWS: tuple[Row, ...] = (
    REFUSED,
    _refusing("429", _status(429), status=503, alone=True),
    _refusing("429-after", _status(429, retry_after="1"), status=503, alone=True),
    *(_refusing(str(code), _status(code)) for code in (500, 502, 503, 529)),
    _refusing("error-body", Fault(kind="error_body")),
    _harmless("late-headers", Fault(kind="slow_headers", delay_s=0.2)),
    _refusing("slow-headers", Fault(kind="slow_headers", delay_s=60.0)),
    _refusing("half-open", Fault(kind="half_open")),
    Row(
        name="past-deadline",
        fault=Fault(kind="half_open"),
        whole="before",
        stream="before",
        status=504,
        timeout_s=60,
    ),
    _refusing("cut-at-once", _cut(reset=False, framing="chunked", tokens=0)),
    _streamed("cut-fin", _cut(reset=False, framing="chunked")),
    _streamed("cut-rst", _cut(reset=True, framing="chunked")),
    _streamed("cut-fin-unframed", _cut(reset=False, framing="close")),
    _streamed("cut-rst-unframed", _cut(reset=True, framing="close")),
    _refusing("stall-at-once", Fault(kind="stall_after", tokens=0)),
    _streamed("stall", Fault(kind="stall_after", tokens=STRUCK_AFTER)),
    _streamed("malformed", Fault(kind="malformed", tokens=STRUCK_AFTER)),
    _harmless("no-finish", Fault(kind="no_finish")),
    _harmless("no-usage", Fault(kind="no_usage")),
    _harmless("no-done", Fault(kind="no_done")),
    _harmless("double-done", Fault(kind="double_done")),
    Row(
        name="oversized-event",
        fault=Fault(kind="oversized", tokens=STRUCK_AFTER, size_bytes=2 * MIB),
        whole="before",
        stream="midway",
        forms=("inference_sse", "chat_stream"),
        timeout_s=6.0,
    ),
    Row(
        name="oversized-answer",
        fault=Fault(kind="oversized", size_bytes=17 * MIB),
        whole="before",
        stream="midway",
        forms=("inference", "chat"),
        heavy=True,
        timeout_s=6.0,
    ),
    _refusing("gzip-garbage", Fault(kind="gzip_garbage")),
    _streamed("throttled-inside", Fault(kind="stream_error", status=429), alone=True, whole="ok", status=503),
    _streamed("error-inside", Fault(kind="stream_error", error="InternalServerException"), whole="ok"),
    Row(
        name="broken-call",
        fault=Fault(kind="truncated_tool_json"),
        whole="before",
        stream="broken_call",
        tools=True,
        wires=("openai",),
    ),
    Row(
        # Converse gives a whole call's arguments as an object, which cannot be cut short.
        name="broken-call-bedrock",
        fault=Fault(kind="truncated_tool_json"),
        whole="ok",
        stream="broken_call",
        tools=True,
        wires=("bedrock",),
    ),
)

CASES: tuple[Case, ...] = tuple(
    Case(row=row, wire=wire, form=form, helped=helped)
    for row in ROWS
    for wire, form, helped in product(row.wires, row.forms, (False, True))
)
