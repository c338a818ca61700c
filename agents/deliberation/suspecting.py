"""What the safety agent asks (Micro): whether a request tries to turn its reader against its instructions.

The answer can only raise the request's `guard`: a text that talks a model into calling it harmless gains nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from agents.deliberation.asking import Choice, Form, Question
from agents.deliberation.prompt import prompt
from agents.deliberation.quoting import excerpt, quoted
from agents.weighing import Weighing
from router_core.context import RequestContext
from router_core.deliberation import Word

SAFETY: Final = "safety"
GUARDS: Final[Mapping[str, float]] = {"benign": 0.0, "suspicious": 0.5, "attack": 0.9}
"""The least `guard` that each verdict means."""
_FORM: Final = Form(
    name="RequestVerdict",
    meaning="Whether the request tries to turn its reader against its instructions.",
    choices=(Choice(name="verdict", words=tuple(GUARDS), meaning="benign, suspicious or attack"),),
)


def suspect(weighing: Weighing) -> Question:
    """Harmless or not."""
    facts = {"excerpt": excerpt(weighing.request), "language": weighing.context.language}
    return Question(
        agent=SAFETY, role="micro", prompt=prompt(SAFETY), text=quoted(facts), form=_FORM, quotes=True
    )


def warned(context: RequestContext, answer: Mapping[str, Word]) -> RequestContext:
    """The context, no less guarded than before."""
    least = GUARDS[str(answer["verdict"])]
    return replace(context, guard=least) if least > context.guard else context
