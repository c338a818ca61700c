"""What a stand-in answers, whatever the wire protocol: text, a tool call, or JSON that fits a schema.

Both stand-ins translate their request into a `Question` and this `Reply` back, so that a test which compares
the tiers compares protocols, not wording.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from gateway.sandbox import prose
from gateway.sandbox.examples import example_of

_VERBS = frozenset(
    {"call", "create", "fetch", "find", "list", "make", "read", "send", "show", "update", "with"}
)
_PIECE_OF_JSON = 12

Finish = Literal["stop", "length", "tool", "stop_sequence", "guardrail"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool the caller offers; `schema` is the JSON schema of its arguments, `answers` whether calling it is the answer
    itself, which agent frameworks ask for in the tool's description."""

    name: str
    schema: Mapping[str, Any]
    answers: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A request in terms both protocols share.

    `text` is the last user text, `tool_result` what a tool has just returned, `prefix` the beginning of the
    answer that is to be continued. `tool_choice` is `auto`, `none`, `any` or a tool's name. `forced_text`
    comes from a script.
    """

    model: str
    text: str
    tools: tuple[Tool, ...] = ()
    tool_choice: str = "auto"
    tool_result: str | None = None
    json_schema: Mapping[str, Any] | None = None
    images: int = 0
    prefix: str = ""
    max_tokens: int | None = None
    min_tokens: int = 0
    stop: tuple[str, ...] = ()
    variant: int = 0
    forced_text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The answer in token-sized pieces; of text, or of a tool's arguments when `tool` is set."""

    pieces: tuple[str, ...]
    finish: Finish
    tool: str | None = None
    arguments: Mapping[str, Any] | None = None
    stop_sequence: str | None = None

    @property
    def text(self) -> str:
        """The pieces joined."""
        return "".join(self.pieces)

    @property
    def tokens(self) -> int:
        """Tokens of the answer; never 0, as even an empty answer costs its end token."""
        return max(1, len(self.pieces))


def reply_to(question: Question) -> Reply:
    """Answer a question. Raises `ExampleError` when a schema cannot be met."""
    tool = _tool_to_call(question)
    if tool is not None:
        return _call(tool, question)
    if question.forced_text is not None:
        text = question.forced_text
    elif question.json_schema is not None:
        text = orjson.dumps(example_of(question.json_schema, question.text)).decode()
    else:
        text = _words(question)
    return _cut(text, question)


def _words(question: Question) -> str:
    notes: list[str] = []
    if question.images:
        notes.append(f"{question.images} image(s) came with it; a {prose.MARK} does not look at them.")
    if question.tool_result is not None:
        notes.append(f'The tool returned: "{prose.brief(question.tool_result)}".')
    full = prose.stand_in_text(
        model=question.model, question=question.text, notes=tuple(notes), variant=question.variant
    )
    full = prose.lengthened(full, question.min_tokens)
    return prose.continuation(full, question.prefix, question.model) if question.prefix else full


def _cut(text: str, question: Question) -> Reply:
    """Apply stop sequences and the token limit, in that order, as the services do."""
    finish: Finish = "stop"
    found = [(text.find(stop), stop) for stop in question.stop if stop and stop in text]
    stop_sequence = None
    if found:
        position, stop_sequence = min(found)
        text, finish = text[:position], "stop_sequence"
    pieces = prose.split_pieces(text)
    if question.max_tokens is not None and len(pieces) > question.max_tokens:
        pieces, finish, stop_sequence = pieces[: question.max_tokens], "length", None
    return Reply(pieces=tuple(pieces), finish=finish, stop_sequence=stop_sequence)


def _tool_to_call(question: Question) -> Tool | None:
    if not question.tools or question.tool_choice == "none" or question.prefix:
        return None
    named = next((tool for tool in question.tools if tool.name == question.tool_choice), None)
    if named is not None:
        return named
    mentioned = next((tool for tool in question.tools if _mentions(question.text, tool.name)), None)
    answering = next((tool for tool in question.tools if tool.answers), None)
    if answering is not None:
        return answering
    if question.tool_choice == "any":
        return mentioned or question.tools[0]
    # After a tool's result the answer is text, or a conversation would never end.
    return None if question.tool_result is not None else mentioned


def _mentions(text: str, name: str) -> bool:
    """True when the text holds the tool's name or a telling word of it (`get_weather`: "weather")."""
    lowered = text.lower()
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)
    telling = [word.lower() for word in words if len(word) > 3 and word.lower() not in _VERBS]
    return name.lower() in lowered or any(word in lowered for word in telling)


def _call(tool: Tool, question: Question) -> Reply:
    arguments = example_of(tool.schema or {"type": "object"}, question.text)
    text = orjson.dumps(arguments).decode()
    pieces = tuple(text[start : start + _PIECE_OF_JSON] for start in range(0, len(text), _PIECE_OF_JSON))
    return Reply(pieces=pieces, finish="tool", tool=tool.name, arguments=arguments)
