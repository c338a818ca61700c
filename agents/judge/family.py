"""Who made a model: judges like what their own family writes, so a judge comes from another one."""

from __future__ import annotations

import re
from typing import Final

_FAMILIES: Final = (
    ("anthropic", ("claude",)),
    ("amazon", ("nova", "titan")),
    ("meta", ("llama",)),
    ("mistral", ("mistral", "mixtral", "ministral", "codestral", "magistral")),
    ("alibaba", ("qwen", "qwq")),
    ("google", ("gemini", "gemma", "palm")),
    ("openai", ("gpt", "chatgpt", "o1", "o3", "o4")),
    ("microsoft", ("phi",)),
    ("deepseek", ("deepseek",)),
    ("cohere", ("command", "aya")),
    ("ibm", ("granite",)),
)
_WORD: Final = re.compile(r"[a-z]+[0-9]?")


def family(model: str) -> str:
    """The family of a model by its id; for a name that we do not know, its first word: two of them are one family only
    where they begin alike."""
    words = _WORD.findall(model.lower())
    for name, known in _FAMILIES:
        if any(word.startswith(known) for word in words):
            return name
    return words[0] if words else model
