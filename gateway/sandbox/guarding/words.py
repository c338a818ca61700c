"""The words that the stand-ins object to, by category. They show the protocol; as a judgement of content they mean nothing."""

from __future__ import annotations

from typing import Final

CATEGORIES: Final[dict[str, tuple[str, ...]]] = {
    "VIOLENCE": ("pipe bomb", "poison the", "kill them"),
    "HATE": ("subhuman", "vermin people"),
    "PROMPT_ATTACK": ("ignore all previous instructions", "jailbreak mode"),
}
WORDS: Final = ("forbidden-fruit",)


def objections(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Categories and words that a text meets."""
    lower = text.lower()
    found = tuple(name for name, signs in CATEGORIES.items() if any(sign in lower for sign in signs))
    return found, tuple(word for word in WORDS if word in lower)
