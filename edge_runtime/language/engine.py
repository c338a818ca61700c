"""Runs a language model: prompts in, tokens out as they come, several at a time, on one thread that owns the engine.

onnxruntime-genai's `Engine` is used rather than its `Generator`, because that one keeps Python's lock while it works and so
stops the event loop for as long. The engine wants every call from the thread that made it: requests and cancellations
reach it through a queue. Batching is static: who comes while a batch runs is taken up with the next one.
"""

from __future__ import annotations

import json
import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from edge_runtime.engines.model_folder import ModelFolderError
from edge_runtime.language.folder import LanguageFolder, check_tokenizer, open_language_folder

Finish = Literal["stop", "length", "cancelled", "failed"]
BATCH: Final = 4
WAITING: Final = 32
CHARS_PER_TOKEN: Final = 16
"""More than any text has for long; blanks that a tokenizer joins have."""
_EVENTS: Final = 64
_log: Final = logging.getLogger("tierwise.language")


class EngineBusyError(Exception):
    """As many requests as allowed are waiting already."""


class EngineClosedError(Exception):
    """The engine was closed."""


class PromptError(Exception):
    """The prompt does not fit, or the wanted form is none that the engine knows. The message says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One generation. `schema`: the answer is JSON of it."""

    prompt: str
    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    schema: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Text as it comes; the last one has `finish`, and the counts of the whole."""

    text: str = ""
    finish: Finish | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    error: Exception | None = None


Emit = Callable[[Piece], None]


@dataclass(slots=True, eq=False)
class Ticket:
    """A generation that was asked for. `emit` is called on the engine's thread."""

    wanted: Wanted
    emit: Emit
    cancelled: bool = False
    request: Any = None
    turn: int = 0
    text: Any = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    ended: bool = field(default=False)


class LanguageEngine:
    """Made by `load`, which opens the model on the engine's own thread."""

    def __init__(self, folder: LanguageFolder, threads: int, limit: int) -> None:
        self._folder, self._threads, self._limit = folder, threads, limit
        self._inbox: queue.SimpleQueue[Ticket | None] = queue.SimpleQueue()
        self._open: set[Ticket] = set()
        self._guard = threading.Lock()
        self._closed = False
        self._opened: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()
        name = f"lm-{folder.path.name}"[:15]
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    @classmethod
    def load(
        cls, folder: Path, *, threads: int = 1, verify: bool = True, limit: int = WAITING
    ) -> LanguageEngine:
        """Raises `ModelFolderError`; ImportError without the `genai` extra. `limit`: requests waiting or running."""
        import onnxruntime_genai  # noqa: F401  (its absence must be told here, not on the thread)

        engine = cls(open_language_folder(folder, verify=verify), threads, limit)
        error = engine._opened.get()
        if error is not None:
            engine.close()
            raise ModelFolderError(f"{folder.name}: {error}") from error
        return engine

    @property
    def context_tokens(self) -> int:
        return self._folder.context_tokens

    @property
    def closed(self) -> bool:
        """Whether it takes no more work: it was closed, or it failed."""
        return self._closed

    @property
    def most_chars(self) -> int:
        """A prompt above it does not fit however well it is cut into tokens, and is not worth the reading."""
        return CHARS_PER_TOKEN * self._folder.context_tokens

    @property
    def waiting(self) -> int:
        """Requests waiting or running."""
        return len(self._open)

    def chat_prompt(self, messages: str) -> str:
        """The folder's own chat template over OpenAI messages as JSON text. Raises `PromptError`."""
        try:
            prompt: str = self._tokenizer.apply_chat_template(messages, add_generation_prompt=True)
        except Exception as error:  # the binding raises RuntimeError for whatever the template does not take
            raise PromptError("the model's chat template does not take these messages") from error
        return prompt

    def start(self, wanted: Wanted, emit: Emit) -> Ticket:
        """Take up a generation. Raises `EngineBusyError` or `EngineClosedError`; what else goes wrong is emitted."""
        ticket = Ticket(wanted=wanted, emit=emit)
        with self._guard:
            if self._closed:
                raise EngineClosedError
            if len(self._open) >= self._limit:
                raise EngineBusyError
            self._open.add(ticket)
            self._inbox.put(ticket)
        return ticket

    def cancel(self, ticket: Ticket) -> None:
        """End it with the next token; what is generated until then is not emitted."""
        ticket.cancelled = True

    def close(self, timeout_s: float = 5.0) -> None:
        """Refuse new work, end what runs, and wait for the thread."""
        with self._guard:
            if self._closed:
                return
            self._closed = True
            self._inbox.put(None)
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout_s)

    # ---- on the engine's thread ----------------------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            self._load()
        except Exception as error:
            self._opened.put(error)
            return
        self._opened.put(None)
        try:
            self._run()
        except Exception:  # whatever the binding raises: nobody may wait for a thread that is gone
            _log.exception("the language model's engine failed and is closed")
        with self._guard:
            self._closed = True
        for ticket in list(self._open):
            self._end(ticket, Piece(finish="failed", error=EngineClosedError()))

    def _run(self) -> None:
        live: list[Ticket] = []
        while self._take(live):
            for ticket in [one for one in live if one.cancelled and not one.ended]:
                ticket.request.cancel_turn(ticket.turn)
            for event in self._engine.run(self._events):
                self._told(event, live)
            live = [one for one in live if not one.ended]

    def _load(self) -> None:
        import onnxruntime_genai as og

        config = og.Config(str(self._folder.path))
        options = {"session_options": {"intra_op_num_threads": self._threads}}
        batching = {"static_batching": {"max_batch_size": BATCH}}
        config.overlay(json.dumps({"model": {"decoder": options}, "engine": batching}))
        self._model = og.Model(config)
        self._tokenizer = og.Tokenizer(self._model)
        check_tokenizer(self._folder.path, lambda text: [int(one) for one in self._tokenizer.encode(text)])
        self._engine = og.Engine(self._model)
        self._events = self._engine.create_event_buffer(_EVENTS)

    def _take(self, live: list[Ticket]) -> bool:
        """What has come since the last step; waits for it where nothing runs. False when it is over."""
        while True:
            try:
                ticket = self._inbox.get(block=not live)
            except queue.Empty:
                return True
            if ticket is None:
                return False
            if ticket.cancelled:
                self._end(ticket, Piece(finish="cancelled"))
            elif self._begun(ticket):
                live.append(ticket)

    def _begun(self, ticket: Ticket) -> bool:
        import onnxruntime_genai as og

        wanted = ticket.wanted
        try:
            ids = np.asarray(self._tokenizer.encode(wanted.prompt), np.int32)
        except Exception:  # the binding raises RuntimeError or ValueError for what is no text
            return self._end(
                ticket, Piece(finish="failed", error=PromptError("the prompt cannot be read as text"))
            )
        room = self._folder.context_tokens - len(ids)
        if room < 1:
            error = PromptError(f"{len(ids)} tokens are more than the model's {self._folder.context_tokens}")
            return self._end(ticket, Piece(finish="failed", error=error))
        most = min(wanted.max_tokens, room)
        options = og.RequestOptions()
        options.set_max_session_tokens(len(ids) + most)
        try:
            ticket.request = self._engine.create_request(options=options)
            ticket.turn = ticket.request.begin_turn(ids, _turn(og.TurnOptions(ticket.request), wanted, most))
        except Exception as error:  # the binding raises RuntimeError for a schema that it cannot follow
            return self._end(ticket, Piece(finish="failed", error=PromptError(str(error)[:200])))
        ticket.text, ticket.prompt_tokens = self._tokenizer.create_stream(), len(ids)
        return True

    def _told(self, event: Any, live: list[Ticket]) -> None:
        ticket = next((one for one in live if one.request == event.request), None)
        if ticket is None or ticket.ended:
            return
        if event.token is not None and not ticket.cancelled:
            ticket.completion_tokens += 1
            text = ticket.text.decode(event.token)
            if text:
                ticket.emit(Piece(text=text))
        finish = _FINISHES.get(event.finish_reason.name)
        if finish is not None:
            self._end(ticket, _last(ticket, event, "cancelled" if ticket.cancelled else finish))

    def _end(self, ticket: Ticket, piece: Piece) -> bool:
        ticket.ended = True
        with self._guard:
            self._open.discard(ticket)
        try:
            if ticket.request is not None:
                ticket.request.close()
        finally:
            ticket.emit(piece)
        return False


_FINISHES: Final[dict[str, Finish]] = {
    "EOS": "stop",
    "STOP_STRING": "stop",
    "MAX_GENERATED_TOKENS": "length",
    "MAX_SESSION_TOKENS": "length",
    "CANCELLED": "cancelled",
    "FAILED": "failed",
}


def _turn(options: Any, wanted: Wanted, most: int) -> Any:
    options.set_max_generated_tokens(most)
    options.set_do_sample(wanted.temperature > 0.0)
    if wanted.temperature > 0.0:
        options.set_temperature(wanted.temperature)
        options.set_top_p(wanted.top_p)
    if wanted.schema is not None:
        options.set_guidance("json_schema", wanted.schema)
    return options


def _last(ticket: Ticket, event: Any, finish: Finish) -> Piece:
    usage = event.usage
    return Piece(
        finish=finish,
        prompt_tokens=ticket.prompt_tokens,
        completion_tokens=ticket.completion_tokens,
        cached_tokens=0 if usage is None else int(usage.cached_prompt_tokens),
        error=RuntimeError("the engine failed") if finish == "failed" else None,
    )
