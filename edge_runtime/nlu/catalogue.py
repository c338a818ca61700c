"""The intent catalogue: which commands exist, their slots, types and units.

The JSON file beside a model is the single source; it decides what a slot value may look like and
which slots a command must have before it counts as complete.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).with_name("catalogue.json")
NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotType:
    """``synonyms`` maps every accepted spelling (lower case) to its catalogue name; empty for open types."""

    name: str
    synonyms: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    name: str
    type: SlotType
    required: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """``one_of``: at least one of these slots must be present (empty: no such rule). ``overrides``: a slot
    that makes another one needless ("dim to 30 percent": 30 says it all)."""

    name: str
    slots: Mapping[str, Slot]
    one_of: tuple[str, ...]
    overrides: Mapping[str, str]

    def missing(self, given: Mapping[str, object]) -> str | None:
        """The first slot the command cannot do without, or None when it is complete."""
        for slot in self.slots.values():
            if slot.required and slot.name not in given:
                return slot.name
        if self.one_of and not any(name in given for name in self.one_of):
            return " or ".join(self.one_of)
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    name: str
    intents: Mapping[str, Intent]
    document: Mapping[str, Any]


def parse_catalogue(document: Mapping[str, Any]) -> Catalogue:
    """Source: the parsed JSON. Raises KeyError when a slot names an unknown type."""
    types = {
        name: SlotType(
            name=name,
            synonyms={word: value for value, words in body.get("values", {}).items() for word in words},
        )
        for name, body in document["types"].items()
    }
    intents = {
        name: Intent(
            name=name,
            slots={
                slot: Slot(name=slot, type=types[spec["type"]], required=bool(spec.get("required", False)))
                for slot, spec in body["slots"].items()
            },
            one_of=tuple(body.get("one_of", ())),
            overrides=dict(body.get("overrides", {})),
        )
        for name, body in document["intents"].items()
    }
    return Catalogue(name=str(document["name"]), intents=intents, document=document)


def load_catalogue(path: Path = SOURCE) -> Catalogue:
    """Raises OSError when the file cannot be read, ValueError when it is not JSON."""
    return parse_catalogue(json.loads(path.read_text(encoding="utf-8")))
