"""How a request is shown to a model: short, without what is personal, and as data that cannot speak.

An excerpt is JSON text inside a document whose angle brackets are escaped, so that no content closes the quotation.
Personal data that we recognise is blacked out; names and free facts are not recognised (see `signals.sensitivity`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from agents.content import read_content
from router_core.inference import InferenceRequest
from router_core.signals.sensitivity import scan

EXCERPT_CHARS: Final = 1200
_ESCAPES: Final = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026"}


def excerpt(request: InferenceRequest) -> str:
    """The beginning and the end of the last user turn, redacted."""
    text = redacted(read_content(request.messages).last)
    if len(text) <= EXCERPT_CHARS:
        return text
    half = EXCERPT_CHARS // 2
    return f"{text[:half]} [...] {text[-half:]}"


def redacted(text: str) -> str:
    """The text with every recognised piece of personal data replaced by its kind."""
    parts, end = [], 0
    for span in scan(text):
        parts += [text[end : span.start], f"[{span.kind}]"]
        end = span.end
    parts.append(text[end:])
    return "".join(parts)


def quoted(document: Mapping[str, Any]) -> str:
    """The document as the model sees it: one JSON object between the marks that the prompts name."""
    spelling = json.dumps(document, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return f"<data>\n{spelling.translate(_ESCAPES)}\n</data>"
