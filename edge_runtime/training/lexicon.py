"""Chooses the words that fill a hole: fixed spellings, numbers, listed names, or made-up ones.

Open slots (names, titles, messages) are filled with random words part of the time, so that the model
learns to copy what stands there instead of learning a list.
"""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edge_runtime.nlu.catalogue import SlotType
from edge_runtime.training import personal, surfaces
from edge_runtime.training.grammar import FOLDER, Hole, expand, fill, parse_pattern

Value = str | int | float
_NUMBERS = {
    "duration": surfaces.duration,
    "clock": surfaces.clock,
    "percent": surfaces.percent,
    "degrees": surfaces.degrees,
    "number": surfaces.quantity,
}
_DEFAULT_KIND = {"reminder.text": "task"}
_LISTED = {"name": "person:to", "room": "place:room", "device": "place:device", "city": "place:city"}
"""Where the words of a hole in talk come from."""
_SYLLABLES = tuple(
    head + vowel + tail for head in "bdfghjklmnprstvz" for vowel in "aeiou" for tail in ("", "n", "r")
)
_MACHINES = frozenset({"place:machine", "place:source"})
_MADE_UP: Mapping[str, float] = {
    "text:activity": 0.3,
    "text:app": 0.5,
    "place:scene": 0.6,
    "place:door": 0.5,
    "place:device": 0.6,
}
"""How much less often than others a kind of value is made up: with the same verb as another kind, words decide."""

_WORD_COUNTS: Mapping[str, Sequence[int]] = {"text:text": (2, 3, 4, 5, 6), "text:task": (2, 3, 4)}


def load_values() -> dict[str, dict[str, list[str]]]:
    """Word lists by type and kind; ``seen`` is trained on, ``new`` is not."""
    lists: dict[str, dict[str, list[str]]] = json.loads((FOLDER / "values.json").read_text(encoding="utf-8"))
    return lists


@dataclass(frozen=True, slots=True, kw_only=True)
class Lexicon:
    """``words``: vocabulary for made-up values; ``random_share``: how often an open slot is made up."""

    rng: random.Random
    values: Mapping[str, Mapping[str, Sequence[str]]]
    words: Sequence[str]
    use_new: bool
    random_share: float

    def surface(self, intent: str, hole: Hole, slot_type: SlotType) -> tuple[str, Value | None]:
        """Words for the hole and their value; None when the value is what the words say."""
        if hole.words:
            words = self.rng.choice(hole.words)
            return words, slot_type.synonyms.get(words)
        if slot_type.synonyms:
            return self.rng.choice(sorted(slot_type.synonyms.items()))
        if slot_type.name in _NUMBERS:
            made: Any = _NUMBERS[slot_type.name](self.rng)
            return made[0], made[1]
        kind = _DEFAULT_KIND.get(f"{intent}.{hole.kind}", hole.kind)
        return self.open_words(f"{slot_type.name}:{kind}"), None

    def open_words(self, key: str) -> str:
        if self.rng.random() < self.random_share * _MADE_UP.get(key, 1.0) and key in self.values:
            count = self.rng.choice(_WORD_COUNTS.get(key, (1, 1, 2, 3)))
            words = " ".join(self.word() for _ in range(count))
            return f"{words} {self._kind_of_machine()}" if key in _MACHINES else words
        return self.listed(key)

    def _kind_of_machine(self) -> str:
        """A made-up machine keeps a word that says it is one, else "start the river" would name anything."""
        kind = self.rng.choice(
            ("line", "pump", "press", "machine", "unit", "conveyor", "mixer", "motor", "robot", "tank")
        )
        return f"{kind} {self.rng.randint(1, 40)}" if self.rng.random() < 0.5 else kind

    def listed(self, key: str) -> str:
        lists = self.values[key]
        pattern = self.rng.choice(lists["new" if self.use_new else "seen"])
        return fill(expand(parse_pattern(pattern), self.rng), self._plain).text

    def personal(self, kind: str) -> str:
        """Made-up personal data of a kind of `personal.KINDS`."""
        return personal.made(self.rng, kind, self.word)

    def word(self) -> str:
        """A word of the list, or now and then one that no list holds."""
        if self.rng.random() < 0.12:
            return "".join(self.rng.choice(_SYLLABLES) for _ in range(self.rng.randint(2, 3)))
        return self.rng.choice(self.words)

    def _plain(self, hole: Hole) -> str:
        """Holes inside listed values and in conversation: no slot, just words."""
        if hole.slot in {"d", "n"}:
            return str(self.rng.choice((self.rng.randint(1, 9), self.rng.randint(1, 200))))
        if hole.slot == "w":
            return self.word()
        return self.listed(_LISTED.get(hole.slot, hole.slot))

    def plain(self, hole: Hole) -> str:
        return self._plain(hole)
