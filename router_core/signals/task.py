"""What kind of work a request asks for: chat, command, classify, extract, summarize or embed.

The task decides which targets can serve it at all: a command may go to a small device model that answers
nothing else, so `command` is claimed only when verb and object both fit and nothing asks for prose. Anything
doubtful is chat, which every language model serves. English; other languages are chat.
"""

from __future__ import annotations

import re
from typing import Final

from router_core.signals import triggers
from router_core.signals.commands import is_command
from router_core.signals.reading import Reading, read

_HEAD_CHARS: Final = 400
_TAIL_CHARS: Final = 200
_ASK: Final = r"(?:^|[.!?:;\n]\s{0,3}|\b(?:please|can you|could you|would you|you|to|and|then|now|me) )"
_SUMMARIZE: Final = re.compile(
    _ASK
    + r"(?:briefly )?(?:summari[sz]e\b|condense\b|tl;?dr\b|sum up\b|(?:write|give|provide|make|create|produce|need|want)"
    r"(?: me| us)?(?: a| an| the)?(?: [a-z\-]{1,16}){0,3} (?:summary|gist of|tl;?dr)\b(?! of (?:my|your) (?:career|qualifications)))"
    r"|\bsummary (?:of|please)\b|\bkey points (?:of|from|in) (?:this|the)\b|\btl;?dr\W{0,3}$"
)
_CLASSIFY: Final = re.compile(
    _ASK
    + r"(?:classify|categori[sz]e|label) (?:this|these|the|each|every|it|as|following|whether|text|into)\b"
    r"|\b(?:what is|what's|determine|detect|analy[sz]e|identify|give) (?:the )?(?:overall )?sentiment\b|\bsentiment (?:of|analysis)\b"
    r"|\b(?:is|are) (?:this|the following|these)(?: [a-z\-]{1,16}){0,2} (?:spam|positive or negative|toxic|phishing)\b"
    r"|\bwhich (?:category|class|label) (?:does|is|best|fits)\b|\bpositive,? (?:negative,? )?or (?:negative|neutral)\b"
)
_EXTRACT: Final = re.compile(
    _ASK
    + r"(?:extract|pull out) (?:all|the|every|any|each|names?|dates?|entities|fields?|key|structured|just|only|from|data|information)\b"
    r"|\b(?:list|find|get) all(?: of)?(?: the)? (?:[a-z\-]{1,16} ){1,4}(?:mentioned|that appear|from the (?:following|text)"
    r"|in the (?:following|text|passage|document|email|article)|in this (?:text|passage|document|email|article))\b"
)
_EMBED: Final = re.compile(
    r"(?:please )?(?:embed (?:this|the following|these)|(?:compute|create|get|give me) (?:an? |the )?embeddings? (?:of|for))\b"
)
_ABOUT_CODE: Final = re.compile(
    r"\b(?:write|implement|code|create|build|fix|debug) (?:\w{1,16} ){0,5}(?:function|script|class|program|code|regex|method)\b|^how (?:do|can|to|would) "
)

_PATTERNS: Final = (
    ("embed", triggers.EMBED, _EMBED),
    ("summarize", triggers.SUMMARIZE, _SUMMARIZE),
    ("classify", triggers.CLASSIFY, _CLASSIFY),
    ("extract", triggers.EXTRACT, _EXTRACT),
)


def infer_task(
    text: str,
    *,
    has_images: bool = False,
    has_audio: bool = False,
    turns: int = 1,
    has_tools: bool = False,
    wants_json: bool = False,
) -> str:
    """One of chat, command, classify, extract, summarize, embed. Media, tools, or a schema rule `command` out:
    a device model sees text only and answers in its own form."""
    plain = not (has_images or has_audio or has_tools or wants_json)
    return task_in(read(text), plain=plain, turns=turns)


def task_in(reading: Reading, *, plain: bool, turns: int) -> str:
    """As `infer_task`, for a prepared text; `plain`: no media, tools or schema."""
    if plain and is_command(reading.words, turns):
        return "command"
    if reading.hits.isdisjoint(triggers.TASK):
        return "chat"
    lower = reading.lower.lstrip()
    asked = (
        lower if len(lower) <= _HEAD_CHARS + _TAIL_CHARS else f"{lower[:_HEAD_CHARS]}\n{lower[-_TAIL_CHARS:]}"
    )
    work = _work(asked, reading.hits)
    return "chat" if work != "chat" and _ABOUT_CODE.search(asked) else work


def _work(asked: str, hits: set[str]) -> str:
    """The first kind of work in the text; where several are asked for, the earliest leads."""
    matches = [
        (match.start(), name)
        for name, words, pattern in _PATTERNS
        if not hits.isdisjoint(words) and (match := pattern.search(asked))
    ]
    return min(matches)[1] if matches else "chat"
