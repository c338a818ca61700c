"""The phrase notation: ``(a|b|)`` picks one, ``{slot}`` takes a value, ``{slot=x/y}`` takes one of the words.

A line that starts with ``~`` is kept for calibration and one with ``!`` for the final test, so that
both see phrasings the model was never trained on.
"""

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Split = Literal["train", "valid", "test"]
MARKS: Mapping[str, Split] = {"~": "valid", "!": "test"}
FOLDER = Path(__file__).with_name("phrases")
_TOKEN = re.compile(r"[(|)]|\{[^}]*\}|[^(|){}]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hole:
    """A place for a slot value; ``kind`` names a word list, ``words`` are fixed spellings."""

    slot: str
    kind: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    options: tuple["Sequence", ...]


@dataclass(frozen=True, slots=True)
class Sequence:
    parts: tuple["str | Hole | Choice", ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    intent: str
    split: Split
    pattern: str
    root: Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """``spans``: (start, end, slot) in characters of ``text``."""

    text: str
    spans: tuple[tuple[int, int, str], ...]


def parse_pattern(pattern: str) -> Sequence:
    """Raises ValueError when brackets do not match."""
    tokens = _TOKEN.findall(pattern)
    root, rest = _choice(tokens, 0)
    if rest != len(tokens):
        raise ValueError(f"unbalanced brackets: {pattern}")
    return Sequence((root,))


def _choice(tokens: list[str], at: int) -> tuple[Choice, int]:
    options: list[Sequence] = []
    parts: list[str | Hole | Choice] = []
    while at < len(tokens) and tokens[at] != ")":
        piece = tokens[at]
        if piece == "|":
            options.append(Sequence(tuple(parts)))
            parts = []
        elif piece == "(":
            inner, at = _choice(tokens, at + 1)
            if at >= len(tokens):
                raise ValueError("unbalanced brackets")
            parts.append(inner)
        else:
            parts.append(_hole(piece[1:-1]) if piece.startswith("{") else piece)
        at += 1
    options.append(Sequence(tuple(parts)))
    return Choice(tuple(options)), at


def _hole(body: str) -> Hole:
    name, _, words = body.partition("=")
    slot, _, kind = name.partition(":")
    return Hole(slot=slot, kind=kind or slot, words=tuple(words.split("/")) if words else ())


def expand(node: Sequence, rng: random.Random) -> list[str | Hole]:
    """One random reading of a pattern as literal pieces and holes."""
    pieces: list[str | Hole] = []
    for part in node.parts:
        if isinstance(part, Choice):
            pieces.extend(expand(rng.choice(part.options), rng))
        else:
            pieces.append(part)
    return pieces


def fill(pieces: list[str | Hole], value: Callable[[Hole], str]) -> Filled:
    """Joins pieces with single spaces and remembers where each slot value stands."""
    text = ""
    spans: list[tuple[int, int, str]] = []
    for piece in pieces:
        if isinstance(piece, Hole):
            words = value(piece)
            spans.append((len(text), len(text) + len(words), piece.slot))
            text += words
            continue
        literal = re.sub(r"\s+", " ", piece)
        text += literal.lstrip() if not text or text.endswith(" ") else literal
    return Filled(text=text.rstrip(), spans=tuple(spans))


def load_phrases(folder: Path = FOLDER) -> tuple[Phrase, ...]:
    """Every phrase of every ``*.txt`` file, in file and line order."""
    phrases: list[Phrase] = []
    for file in sorted(folder.glob("*.txt")):
        intent = ""
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith("# "):
                intent = line[2:].strip()
            elif line.strip():
                split = MARKS.get(line[0], "train")
                pattern = line.lstrip("~! ").strip()
                phrases.append(
                    Phrase(intent=intent, split=split, pattern=pattern, root=parse_pattern(pattern))
                )
    return tuple(phrases)
