"""A moderation service and a safety model as the MEC stand-in plays them: `/v1/moderations`, and chat with a Llama Guard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.sandbox.guarding.words import CATEGORIES, objections

PATH: Final = "/v1/moderations"
SAFETY_MODEL: Final = "llama-guard"
"""What the name of a safety model begins with."""
_NUMBERS: Final = {"VIOLENCE": "S1", "HATE": "S10", "PROMPT_ATTACK": "S14"}


def moderation(body: Mapping[str, Any]) -> dict[str, Any]:
    """The answer of a moderation service."""
    given = body.get("input")
    texts = [given] if isinstance(given, str) else list(given or ())
    return {
        "id": "modr-standin",
        "model": body.get("model"),
        "results": [_result(str(text)) for text in texts],
    }


def _result(text: str) -> dict[str, Any]:
    found, words = objections(text)
    names = {name.lower(): name in found for name in CATEGORIES}
    scores = {name: 0.98 if hit else 0.01 for name, hit in names.items()}
    return {"flagged": bool(found or words), "categories": names, "category_scores": scores}


def verdict(body: Mapping[str, Any]) -> str:
    """What a safety model says of the last turn."""
    content = body["messages"][-1].get("content")
    found, words = objections(content if isinstance(content, str) else "")
    if not (found or words):
        return "safe"
    return "unsafe\n" + ",".join([_NUMBERS[name] for name in found] or ["S2"])
