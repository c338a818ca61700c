"""Signs that a text tries to talk the model out of its instructions.

Wordings in sixteen languages, and the same behind the usual disguises. They cost microseconds and say why they fired, so a
policy can count such a text, refuse it, or send it to a target with its own guard. They are no defence on their own, and a low
score is no clearance: an order in new words is not seen. All of the text is read.
"""

from __future__ import annotations

from typing import Final

from router_core.signals import triggers
from router_core.signals.injection import languages, wordings
from router_core.signals.injection.cue import fired
from router_core.signals.injection.veils import marked, unveiled
from router_core.signals.reading import Reading, read

VEILED: Final = 0.6
"""Weight of a disguise that an order was found behind: nobody hides an innocent one."""
DEPTH: Final = 2
"""Disguises within each other that are taken off."""


def guard_score(text: str) -> float:
    """0 (nothing seen) towards 1: independent cues add up as 1 - product(1 - weight)."""
    return guard_in(read(text))[0]


def guard_cues(text: str) -> tuple[str, ...]:
    """The names of the cues that fired, in a fixed order."""
    return guard_in(read(text))[1]


def guard_in(reading: Reading) -> tuple[float, tuple[str, ...]]:
    """Score and cue names for a text that is already prepared."""
    if reading.hits.isdisjoint(triggers.GUARD) and not marked(reading):
        return 0.0, ()
    found = _found(reading, DEPTH)
    if not found:
        return 0.0, ()
    clear = 1.0
    for weight in found.values():
        clear *= 1.0 - weight
    return round(1.0 - clear, 4), tuple(sorted(found))


def _found(reading: Reading, depth: int) -> dict[str, float]:
    found: dict[str, float] = {}
    hits = reading.hits
    if not hits.isdisjoint(triggers.GUARD):
        found.update(fired(reading.lower, hits, wordings.CUES, triggers.GUARD))
        if not hits.isdisjoint(languages.NEEDS):
            _most(found, fired(reading.lower, hits, languages.WESTERN, triggers.GUARD))
    if not reading.western:
        _most(found, languages.elsewhere(reading))
    if depth and marked(reading):
        for veil, text in unveiled(reading):
            behind = _found(read(text), depth - 1)
            if behind.keys() - found.keys() or any(behind[name] > found[name] for name in behind):
                _most(found, {**behind, veil: VEILED})
    return found


def _most(found: dict[str, float], more: dict[str, float]) -> None:
    for name, weight in more.items():
        found[name] = max(weight, found.get(name, 0.0))
