"""What goes wrong and when: scripted steps that a stand-in plays, and a record of every request it received.

A test or the demo queues steps per model; each request takes one. The record proves what did and, more
important, what did not arrive, so its totals are complete although only the last bodies are kept.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

KEPT_BODIES = 200
KEPT_BODY_CHARACTERS = 65_536
MAX_QUEUED_STEPS = 10_000
MAX_WATCHED = 100
ANY_MODEL = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One scripted answer; every field left at its default means "as usual".

    `error` is the code in the endpoint's own form (`ThrottlingException`, `BadRequestError`), `status` its HTTP
    status, `retry_after` seconds. `delay_ms` passes before the headers; `ttft_ms` and `token_ms` replace the
    model's pacing. After `cut_after` tokens the connection drops, after `stall_after` nothing more comes, after
    `error_after` the stream carries an error event. `body` is sent as it is; `text` replaces the answer.
    `repeat` is the number of requests the step serves; 0 keeps it until the script is replaced.
    """

    error: str | None = None
    status: int | None = None
    message: str = "scripted fault of the stand-in"
    retry_after: float | None = None
    delay_ms: float = 0.0
    ttft_ms: float | None = None
    token_ms: float | None = None
    cut_after: int | None = None
    stall_after: int | None = None
    error_after: int | None = None
    body: dict[str, Any] | None = None
    text: str | None = None
    repeat: int = 1

    @property
    def fails(self) -> bool:
        """True when the request gets an error or a ready-made body instead of an answer."""
        return self.error_after is None and (self.error is not None or self.status is not None)


class ScriptError(ValueError):
    """The script sent to a stand-in is not one; the message names the field."""


_NUMBER = (int, float)
_TYPES: dict[str, tuple[type, ...]] = {
    "error": (str,), "status": (int,), "message": (str,), "retry_after": _NUMBER, "delay_ms": _NUMBER,
    "ttft_ms": _NUMBER, "token_ms": _NUMBER, "cut_after": (int,), "stall_after": (int,), "error_after": (int,),
    "body": (dict,), "text": (str,), "repeat": (int,),
}  # fmt: skip


def parse_step(value: object) -> Step:
    """Turn one JSON object into a `Step`.

    Raises `ScriptError` on an unknown field, a wrong type or a negative number.
    """
    if not isinstance(value, dict):
        raise ScriptError("a step is a JSON object")
    for name, given in value.items():
        if name not in _TYPES:
            raise ScriptError(f"unknown step field {name!r}")
        if isinstance(given, bool) or not isinstance(given, _TYPES[name]):
            raise ScriptError(f"step field {name!r} has the wrong type")
        if isinstance(given, _NUMBER) and given < 0:
            raise ScriptError(f"step field {name!r} is negative")
    if not 100 <= value.get("status", 200) <= 599:
        raise ScriptError("step field 'status' is not an HTTP status")
    return Step(**value)


class Script:
    """Queues of steps per model; `"*"` serves models that have no queue of their own."""

    def __init__(self) -> None:
        self._queues: dict[str, deque[Step]] = {}

    def push(self, model: str, *steps: Step) -> None:
        """Append steps for a model. Raises `ScriptError` past `MAX_QUEUED_STEPS`."""
        queue = self._queues.setdefault(model, deque())
        if len(queue) + len(steps) > MAX_QUEUED_STEPS:
            raise ScriptError(f"more than {MAX_QUEUED_STEPS} steps queued")
        queue.extend(steps)

    def clear(self) -> None:
        """Drop every queued step."""
        self._queues.clear()

    def take(self, model: str) -> Step:
        """Return the step for this request; an empty queue means an ordinary answer."""
        queue = self._queues.get(model) or self._queues.get(ANY_MODEL)
        if not queue:
            return Step()
        step = queue[0]
        if step.repeat == 1:
            queue.popleft()
        elif step.repeat > 1:
            queue[0] = dataclasses.replace(step, repeat=step.repeat - 1)
        return step


@dataclass(slots=True)
class Seen:
    """Every request that reached the stand-in, refused ones included: totals for all, bodies for the last."""

    requests: int = 0
    body_bytes: int = 0
    by_model: Counter[str] = field(default_factory=Counter)
    watched: dict[str, int] = field(default_factory=dict)
    last: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=KEPT_BODIES))

    def record(self, model: str, path: str, body: bytes) -> None:
        """Count one request and look for each watched string in its raw bytes."""
        self.requests += 1
        self.body_bytes += len(body)
        # A hostile client could invent names without end; past the bound they are counted together.
        self.by_model[model if len(self.by_model) < 1_000 or model in self.by_model else "(other)"] += 1
        for text in self.watched:
            self.watched[text] += body.count(text.encode())
        shown = body[:KEPT_BODY_CHARACTERS].decode("utf-8", "replace")
        self.last.append({"model": model, "path": path, "bytes": len(body), "body": shown})

    def watch(self, texts: Sequence[object]) -> None:
        """Count from now on how often each text arrives; replaces the former list (at most `MAX_WATCHED`)."""
        wanted = [text for text in texts if isinstance(text, str) and text]
        if len(texts) > MAX_WATCHED or len(wanted) < len(texts):
            raise ScriptError(f"watch takes at most {MAX_WATCHED} non-empty strings")
        self.watched = dict.fromkeys(wanted, 0)

    def clear(self) -> None:
        """Forget everything but the watched strings, whose counts start again."""
        self.requests = self.body_bytes = 0
        self.by_model.clear()
        self.last.clear()
        self.watched = dict.fromkeys(self.watched, 0)

    def report(self) -> dict[str, Any]:
        """What `GET /_sandbox/seen` answers."""
        return {
            "requests": self.requests,
            "bytes": self.body_bytes,
            "by_model": dict(self.by_model),
            "watched": dict(self.watched),
            "last": list(self.last),
        }


def apply_script(document: Mapping[str, object], script: Script, seen: Seen) -> None:
    """Apply `{"reset": bool, "steps": {model: [step]}, "watch": [text]}`; all or nothing for the steps.

    Raises `ScriptError` naming what is wrong.
    """
    unknown = set(document) - {"reset", "steps", "watch"}
    if unknown:
        raise ScriptError(f"unknown script field {sorted(unknown)[0]!r}")
    steps = document.get("steps", {})
    if not isinstance(steps, dict) or not all(isinstance(queue, list) for queue in steps.values()):
        raise ScriptError("'steps' maps a model to a list of steps")
    parsed = {model: [parse_step(step) for step in queue] for model, queue in steps.items()}
    watch = document.get("watch")
    if watch is not None and not isinstance(watch, list):
        raise ScriptError("'watch' is a list of strings")
    if document.get("reset"):
        script.clear()
        seen.clear()
    if watch is not None:
        seen.watch(watch)
    for model, queue in parsed.items():
        script.push(model, *queue)
