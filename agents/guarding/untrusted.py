"""Where a request's text comes from: whoever runs the application gives orders by right, everybody else's text may not.

The last user turn is always read. Where the rest looks like an injection at all, it is read again turn by turn, and only turns
of users and tools count, and the tools' own descriptions, which may come from anywhere.
"""

from __future__ import annotations

from typing import Final

from agents.content import beside_messages, message_text
from router_core.inference import InferenceRequest
from router_core.signals import TextSignals
from router_core.signals.guard import guard_in
from router_core.signals.reading import Reading, read

UNTRUSTED: Final = ("user", "tool", "function")


def beyond_last(request: InferenceRequest, rest: str) -> Reading | None:
    """All that a target would see but the last user turn; None when that is all."""
    beside = beside_messages(request)
    if not (rest or beside):
        return None
    return read(f"{rest}\n{beside}" if beside else rest)


def injection_in(
    request: InferenceRequest, rest: Reading | None, signals: TextSignals
) -> tuple[float, tuple[str, ...]]:
    """How much of an injection there is, and what speaks for it."""
    found = signals.guard, signals.guard_cues
    if rest is None or guard_in(rest)[0] == 0.0:
        return found
    texts = [message_text(m) for m in request.messages if m.get("role") in UNTRUSTED]
    for text in (*texts, *map(str, request.params.tools)):
        found = max(found, guard_in(read(text)))
    return found
