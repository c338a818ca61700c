"""Cuts the tokenizer of MiniLM to the pieces a device needs, and lists the whole words in it.

The embedding table is most of a small model; 12,000 of 30,522 pieces keep English readable, rarer
words fall apart into shorter pieces.
"""

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

KEPT_PIECES = 12_000
_LAST_LETTER = 0x250


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """``kept``: old ids in new order; ``tokenizer``: the tokenizer file as JSON text."""

    kept: tuple[int, ...]
    tokenizer: str


def prune(tokenizer_json: str, size: int = KEPT_PIECES) -> Vocabulary:
    """Keeps special tokens, single Latin letters and signs, then the lowest ids (the most frequent)."""
    document: dict[str, Any] = json.loads(tokenizer_json)
    pieces = {index: piece for piece, index in document["model"]["vocab"].items()}
    first = [index for index in sorted(pieces) if _always(pieces[index])]
    chosen = set(first)
    for index in sorted(pieces):
        if len(chosen) >= size:
            break
        if pieces[index].isascii() and not pieces[index].startswith("[unused"):
            chosen.add(index)
    kept = tuple(sorted(chosen))
    document["model"]["vocab"] = {pieces[old]: new for new, old in enumerate(kept)}
    _renumber(document)
    document["truncation"] = document["padding"] = None
    return Vocabulary(kept=kept, tokenizer=json.dumps(document, ensure_ascii=False, separators=(",", ":")))


def _always(piece: str) -> bool:
    if piece.startswith("["):
        return not piece.startswith("[unused")
    bare = piece.removeprefix("##")
    return len(bare) == 1 and ord(bare) < _LAST_LETTER


def _renumber(document: dict[str, Any]) -> None:
    ids = document["model"]["vocab"]
    for token in document["added_tokens"]:
        token["id"] = ids[token["content"]]
    processor = document["post_processor"]
    if processor["type"] == "TemplateProcessing":
        for name, token in processor["special_tokens"].items():
            token["ids"] = [ids[name]]
    else:
        for end in ("sep", "cls"):
            processor[end][1] = ids[processor[end][0]]


def whole_words(tokenizer_json: str, *, held_out: bool) -> Sequence[str]:
    """Words of three or more letters for made-up values; about every fifth is kept from training.

    From the full vocabulary the rare ones among them fall into pieces later: values must be copied whole.
    """
    vocabulary: dict[str, int] = json.loads(tokenizer_json)["model"]["vocab"]
    words = sorted(piece for piece in vocabulary if len(piece) >= 3 and piece.isalpha() and piece.isascii())
    return [word for word in words if (zlib.crc32(word.encode()) % 5 == 0) is held_out]
