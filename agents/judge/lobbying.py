"""Takes out of an answer the sentences that speak to whoever grades it.

A judge never sees them, so a judge that would obey them has nothing to obey. An ordinary text keeps every word.
"""

from __future__ import annotations

import re
from typing import Final

CRITERIA: Final = ("correct", "complete", "relevant", "clear", "harmless")
"""What a rubric grades; an answer that writes such grades down is speaking to its judge."""

_REMOVED: Final = "[removed: speaks to the judge]"
_SENTENCE: Final = re.compile(r"[^.!?\n]*(?:[.!?]+|\n|$)")
_WHO: Final = re.compile(
    r"\b(?:judge|judges|grader|graders|evaluator|evaluators|assessor|reviewer|rater|scorer|grading|grade|graded|scoring"
    r"|score|scores|scored|rating|rate|rated|rubric|evaluate|evaluation|marks?|referee|arbiter|verdict)\b",
    re.IGNORECASE,
)
_ASKS: Final = re.compile(
    r"\b(?:10|ten|100|full|highest|maximum|max|perfect|top|best|excellent|ignore|disregard|override|must|should"
    r"|please|give|assign|award|return|output|respond|instruction|instructions|system|you are|correct|complete|relevant"
    r"|clear|harmless|criteria|prefer|choose|pick|winner|superior)\b|[{}\"]",
    re.IGNORECASE,
)
_FORGED: Final = re.compile(
    r"\"?(?:" + "|".join((*CRITERIA, "score", "mark")) + r")\"?\s*[:=]\s*\"?\d"
    r"|\"?(?:winner|better|preferred)\"?\s*[:=]\s*\"?(?:first|second|tie|a|b|1|2)\b",
    re.IGNORECASE,
)
_WHICH: Final = r"(?:first|second|other|this|my|answer|response|candidate|option|assistant)"
_PREFERS: Final = re.compile(
    rf"\b(?:choose|pick|prefer|select|vote for|declare)\b[^.!?\n]{{0,40}}\b{_WHICH} (?:answer|response|candidate|option|one|[ab12])\b"
    rf"|\b{_WHICH} (?:answer|response|candidate|option|one|[ab12])\b[^.!?\n]{{0,40}}"
    r"\b(?:is better|is superior|is the better|wins|is the winner|is worse|is inferior|must win|should win)\b",
    re.IGNORECASE,
)


def without_lobbying(text: str) -> tuple[str, int]:
    """The text without sentences that ask for a grade or a preference or write one down, and how many there were."""
    kept: list[str] = []
    removed = 0
    for match in _SENTENCE.finditer(text):
        sentence = match[0]
        if _speaks_to_the_judge(sentence):
            removed += 1
            kept.append(f" {_REMOVED} ")
        else:
            kept.append(sentence)
    return "".join(kept), removed


def _speaks_to_the_judge(sentence: str) -> bool:
    asks = _WHO.search(sentence) is not None and _ASKS.search(sentence) is not None
    return asks or _FORGED.search(sentence) is not None or _PREFERS.search(sentence) is not None
