"""What the context agent asks: whether a request is simple or complex (Micro), and how complex (Lite).

The one agent whose model reads the request, so its answer counts for little by design: it moves the complexity by `NEAR`
at most, and the class between simple and complex where the fast path was near its threshold anyway. Critical and batch
follow from what callers and devices declare, and where a request may go from its privacy: neither is asked about.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from agents.deliberation.asking import Choice, Form, Question, Role
from agents.deliberation.prompt import prompt
from agents.deliberation.quoting import excerpt, quoted
from agents.weighing import Weighing
from router_core.context import RequestContext
from router_core.deliberation import Word
from router_core.policy.document import Policy

CONTEXT: Final = "context"
CLASSES: Final = ("simple", "complex")
NEAR: Final = 0.15
"""So near to the threshold a complexity says little about the class."""
_CLASS: Final = Form(
    name="RequestClass",
    meaning="How demanding the request is.",
    choices=(Choice(name="class", words=CLASSES, meaning="simple or complex"),),
)
_COMPLEXITY: Final = Form(
    name="RequestComplexity",
    meaning="How complex the request is.",
    fractions=(("complexity", "from 0 (trivial) to 1 (expert work in many steps)"),),
)


def askable(context: RequestContext) -> bool:
    """Whether its class is a matter of judgement at all, and the text one that does not try to instruct its reader."""
    return context.request_class in CLASSES and context.task != "embed" and context.guard == 0.0


def doubt(context: RequestContext, policy: Policy) -> float:
    """The chance that the fast class is the wrong one: one half at the threshold, none far from it."""
    distance = abs(context.complexity - policy.class_rules.complex_at)
    return 0.5 * (1.0 - min(1.0, distance / NEAR))


def classify(weighing: Weighing) -> Question:
    """Simple or complex."""
    return _question(weighing, "micro", _CLASS)


def score(weighing: Weighing) -> Question:
    """How complex."""
    return _question(weighing, "lite", _COMPLEXITY)


def judged(context: RequestContext, answer: Mapping[str, Word], policy: Policy) -> RequestContext:
    """The context as the model sees it, as far as it is believed."""
    named, number = answer.get("class"), answer.get("complexity")
    if isinstance(named, str) and named in CLASSES and doubt(context, policy) > 0.0:
        return replace(context, request_class=named)
    if isinstance(number, float):
        low, high = context.complexity - NEAR, context.complexity + NEAR
        return replace(context, complexity=round(min(high, max(low, number)), 4))
    return context


def _question(weighing: Weighing, role: Role, form: Form) -> Question:
    context = weighing.context
    facts = {
        "task": context.task,
        "language": context.language,
        "prompt_tokens": context.prompt_tokens,
        "turns": context.turns,
        "tools": context.tools,
        "excerpt": excerpt(weighing.request),
    }
    return Question(
        agent=CONTEXT, role=role, prompt=prompt(CONTEXT), text=quoted(facts), form=form, quotes=True
    )
