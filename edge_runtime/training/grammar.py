"""The phrase notation: ``(a|b|)`` picks one, ``{slot}`` takes a value, ``{slot=x/y}`` takes one of the words;
a slash inside a word is written ``\\/``. ``<name>`` stands for a line of ``macros.txt``. A line that starts with ``~`` is kept for calibration. The files in
``phrases/second`` are a grammar of their own, written in another voice, for the final test. So both see phrasings
the model was never trained on. A header names the intent; of talk it also says the task and whether it is hard.
"""

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Split = Literal["train", "valid", "test"]
FOLDER = Path(__file__).with_name("phrases")
SECOND = FOLDER / "second"
MACROS = "macros.txt"
_CALIBRATION = "~"
_SLASH = re.compile(r"(?<!\\)/")
_MACRO = re.compile(r"<([a-z]+)>")
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
    """``task``: the router's word for the work asked for; ``hard``: whether a small model would fail at it."""

    intent: str
    split: Split
    pattern: str
    root: Sequence
    task: str = "command"
    hard: bool = False


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
    listed = (word.replace("\\/", "/") for word in _SLASH.split(words))
    return Hole(slot=slot, kind=kind or slot, words=tuple(listed) if words else ())


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


def forms(node: Sequence) -> int:
    """How many readings a pattern has, values not counted."""
    count = 1
    for part in node.parts:
        if isinstance(part, Choice):
            count *= sum(forms(option) for option in part.options)
        elif isinstance(part, Hole):
            count *= max(1, len(part.words))
    return count


def load_phrases(folder: Path = FOLDER) -> tuple[Phrase, ...]:
    """Every phrase of every ``*.txt`` file, in file and line order; the second grammar after the first."""
    macros = _macros(folder / MACROS)
    phrases: list[Phrase] = []
    for file in sorted(folder.glob("*.txt")):
        if file.name != MACROS:
            phrases += _phrases(file, macros, split="train")
    for file in sorted((folder / SECOND.name).glob("*.txt")):
        phrases += _phrases(file, {}, split="test")
    return tuple(phrases)


def _phrases(file: Path, macros: Mapping[str, str], split: Split) -> list[Phrase]:
    phrases: list[Phrase] = []
    intent, task, hard = "", "command", False
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            intent, *about = line[2:].split()
            task, hard = (about[0] if about else "command"), about[1:] == ["complex"]
        elif line.strip():
            kept = line.startswith(_CALIBRATION)
            pattern = _MACRO.sub(lambda name: macros[name[1]], line.lstrip("~ ").strip())
            phrases.append(
                Phrase(
                    intent=intent,
                    split="valid" if kept else split,
                    pattern=pattern,
                    root=parse_pattern(pattern),
                    task=task,
                    hard=hard,
                )
            )
    return phrases


def _macros(file: Path) -> dict[str, str]:
    if not file.exists():
        return {}
    pairs = (line.split(" = ", 1) for line in file.read_text(encoding="utf-8").splitlines() if line.strip())
    return dict((name, body) for name, body in pairs)
