"""A question to a model and its answer, as the agents see them: words from closed lists and one confidence.

The form of an answer is checked twice, by the model's client and here, because the one is a framework's promise and the
other is ours: what is outside the form never reaches a decision.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, Literal, Protocol

from agents.deliberation.prompt import Prompt
from router_core.deliberation import Word
from router_core.errors import NotTakenError
from router_core.record import dataclass

Role = Literal["micro", "lite", "pro"]
ROLES: Final[tuple[Role, ...]] = ("micro", "lite", "pro")
"""How strong a model a question needs: to classify, to score, to weigh."""
CONFIDENCE: Final = "confidence"
MAX_ANSWER_TOKENS: Final = 256
"""Of one turn; an answer is a handful of words."""
TURNS: Final = 2
"""A first answer in plain text may be followed by one that is made to fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One field of an answer: exactly one of `words`."""

    name: str
    words: tuple[str, ...]
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What an answer must look like: its choices, its numbers in [0, 1] by name and meaning, and a confidence."""

    name: str
    meaning: str
    choices: tuple[Choice, ...] = ()
    fractions: tuple[tuple[str, str], ...] = ()

    def checked(self, values: Mapping[str, Any]) -> dict[str, Word]:
        """The answer, once it is of this form. Raises `NotTakenError`."""
        found: dict[str, Word] = {}
        for choice in self.choices:
            word = values.get(choice.name)
            if word not in choice.words:
                raise NotTakenError(f"the answer's {choice.name} is not one of those offered")
            found[choice.name] = word
        for name in (*(name for name, _ in self.fractions), CONFIDENCE):
            found[name] = _fraction(name, values.get(name))
        return found


def _fraction(name: str, value: object) -> float:
    fits = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not fits or not 0.0 <= float(value) <= 1.0:  # type: ignore[arg-type]  # a number, by the line above
        raise NotTakenError(f"the answer's {name} is not a number between 0 and 1")
    return float(value)  # type: ignore[arg-type]  # as above


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A tool that the model may call, and the text that it returns: what was so when the question was put."""

    name: str
    meaning: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What an agent asks. `text` is all that the model is shown beside the prompt, but for what it looks at by `looks`;
    `quotes`: words of the request are in it."""

    agent: str
    role: Role
    prompt: Prompt
    text: str
    form: Form
    quotes: bool = False
    looks: tuple[Look, ...] = ()

    @property
    def turns(self) -> int:
        """How many calls of the model it may take."""
        return TURNS + len(self.looks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Thought:
    """What a model answered, not yet checked, and what it used."""

    values: Mapping[str, Any]
    model: str
    input_tokens: int
    output_tokens: int


class Thinker(Protocol):
    """Asks a model. Raises `StoreError` when there is no answer, `NotTakenError` for one without the wanted form."""

    async def think(self, question: Question) -> Thought: ...

    def price_usd(self, role: Role, input_tokens: int, output_tokens: int) -> float: ...

    def warm(self) -> None:
        """Load, beside everything else, what would make the first question late."""
