"""How hard a request is for a model, from cheap features, in [0, 1].

A prior for routing: it orders "turn off the lights" before a question of fact, before a summary, before a proof
or a system design. Features count distinct words, so padding and repetition move it little. Learned models may
refine it; it must not need them.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import exp
from typing import Final

from router_core.signals.reading import PUNCTUATION, Reading, read, window
from router_core.signals.triggers import word_set

_DEEP: Final = (
    "prove proof theorem lemma derive derivation integral derivative differential eigenvalue eigenvector polynomial "
    "algorithm algorithms asymptotic architecture architect distributed concurrency consensus scalable microservices "
    "optimize optimise optimal debug refactor implement deadlock analyze analyse analysis critique evaluate "
    "tradeoff tradeoffs synthesize hypothesis methodology rigorous rigorously formally induction contradiction "
    "counterexample design proving philosophical econometric"
)
_MILD: Final = (
    "explain why compare contrast difference differences justify reason reasons reasoning plan strategy steps detail "
    "detailed essay report calculate compute solve equation function code python javascript java rust sql regex class "
    "legal contract statute clinical interpret infer discuss describe improve rewrite draft argue pros cons estimate "
    "probability model simulate summarize summarise summary write story poem outline review translate percent average"
)
_LIMITS: Final = (
    "must should without exactly least most only ensure constraint constraints unless except avoid include including "
    "limit requirement requirements assume assuming given such each every between both then also provide"
)
_ASKING: Final = "what who whom whose which when where how does did is are"
_EFFORT: Final[Mapping[str, float]] = {
    **dict.fromkeys(_ASKING.split(), 0.02),
    **dict.fromkeys(_LIMITS.split(), 0.05),
    **dict.fromkeys(_MILD.split(), 0.11),
    **dict.fromkeys(_DEEP.split(), 0.30),
}
"""Effort that a distinct word adds, before saturation."""

_EFFORT_WORDS: Final = frozenset(_EFFORT)
_EFFORT_LIMIT: Final = 1.5
_SIZE_WEIGHT: Final = 0.55
_SIZE_WORDS: Final = 140.0
_COUNT_LIMIT: Final = 3
_NUMBER_WEIGHT: Final = 0.03
_QUESTION_WEIGHT: Final = 0.03
_ITEM_WEIGHT: Final = 0.05
_CODE_WEIGHT: Final = 0.25
_MATHS_WEIGHT: Final = 0.3
_STEPWISE_WEIGHT: Final = 0.25
_TURN_WEIGHT: Final = 0.02
_TURN_LIMIT: Final = 10
_TOOLS_WEIGHT: Final = 0.08
_LONG_ANSWER_TOKENS: Final = 4096
_LONG_ANSWER_WEIGHT: Final = 0.12

_CODE_WORDS: Final = word_set(
    "def class import return include select traceback const var void public static function int string elif lambda"
)
_CODE_SIGNS: Final = ("(", "{", ";", "=")
_MATHS: Final = ("\\frac", "\\int", "\\sum", "\\sqrt", "\\begin{", "$$", "\\(", "\\[")
_MATHS_SIGNS: Final = frozenset("∑∫√∀∃≤≥∂∞∈")
_ITEMS: Final = ("\n- ", "\n* ", "\n1", "\n2", "\n3", "\n4")
_MARKED: Final = 3
"""Fewer punctuation characters than this cannot be code or typeset mathematics."""


def complexity(text: str, *, turns: int = 1, has_tools: bool = False, max_tokens: int | None = None) -> float:
    """Expected difficulty in [0, 1]; never falls when turns, tools or a longer answer are added."""
    return complexity_in(read(text), turns=turns, has_tools=has_tools, max_tokens=max_tokens)


def complexity_in(reading: Reading, *, turns: int, has_tools: bool, max_tokens: int | None) -> float:
    """As `complexity`, for a text that is already prepared."""
    effort = _wording(reading.vocabulary) + _structure(reading)
    effort += _TURN_WEIGHT * min(max(turns - 1, 0), _TURN_LIMIT)
    if has_tools:
        effort += _TOOLS_WEIGHT
    if max_tokens is not None:
        effort += _LONG_ANSWER_WEIGHT * min(max(max_tokens, 0), _LONG_ANSWER_TOKENS) / _LONG_ANSWER_TOKENS
    return round(1.0 - exp(-effort), 4)


def _wording(vocabulary: set[str]) -> float:
    """Size and depth of the vocabulary; numbers stand for steps of a calculation."""
    effort = sum(map(_EFFORT.__getitem__, vocabulary & _EFFORT_WORDS))
    size = _SIZE_WEIGHT * (1.0 - exp(-len(vocabulary) / _SIZE_WORDS))
    return size + min(effort, _EFFORT_LIMIT) + (_STEPWISE_WEIGHT if "step" in vocabulary else 0.0)


def _structure(reading: Reading) -> float:
    """Numbers, sub-questions, list items, code and mathematics; each counts up to a limit."""
    shape, text = reading.shape, window(reading.lower)
    effort = _NUMBER_WEIGHT * min(shape.count(b" 0"), _COUNT_LIMIT)
    if shape.count(PUNCTUATION) < _MARKED:
        return effort
    effort += _QUESTION_WEIGHT * min(max(text.count("?") - 1, 0), _COUNT_LIMIT)
    if "\n" in text:
        effort += _ITEM_WEIGHT * min(sum([text.count(item) for item in _ITEMS]), _COUNT_LIMIT)
    if "```" in text or _looks_like_code(reading.vocabulary, text):
        effort += _CODE_WEIGHT
    if ("\\" in text or "$" in text) and any([marker in text for marker in _MATHS]):
        return effort + _MATHS_WEIGHT
    return effort if reading.western or _MATHS_SIGNS.isdisjoint(text) else effort + _MATHS_WEIGHT


def _looks_like_code(vocabulary: set[str], text: str) -> bool:
    """Two keywords and two kinds of brackets or operators: prose has one of either at most."""
    if len(vocabulary & _CODE_WORDS) < 2:
        return False
    return sum([sign in text for sign in _CODE_SIGNS]) > 1
