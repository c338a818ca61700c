"""Which kinds of content a message carries, as the bit set that targets are filtered by.

Accepts OpenAI's content forms: a string, or a list of parts with a `type`. A part type that is not known adds
nothing here; the host has already refused it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from router_core.context import AUDIO, IMAGE, TEXT

PART_BITS: Final[Mapping[str, int]] = {
    "text": TEXT,
    "input_text": TEXT,
    "output_text": TEXT,
    "refusal": TEXT,
    "image_url": IMAGE,
    "input_image": IMAGE,
    "input_audio": AUDIO,
}


def modalities(contents: Iterable[Any]) -> int:
    """Bit set (text 1, image 2, audio 4) over the `content` values of messages; None counts as nothing."""
    bits = 0
    for content in contents:
        if isinstance(content, str):
            bits |= TEXT
        elif isinstance(content, (list, tuple)):
            for part in content:
                bits |= _part(part)
    return bits


def _part(part: object) -> int:
    if not isinstance(part, Mapping):
        return TEXT if isinstance(part, str) else 0
    kind = part.get("type")
    return PART_BITS.get(kind, 0) if isinstance(kind, str) else 0
