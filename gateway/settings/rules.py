"""Bounds of a setting, written beside its default: a number's range, a word's choices, a text's form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import TypeVar

T = TypeVar("T")


def bounded(default: T, low: float, high: float) -> T:
    """A number in [low, high]."""
    made: T = field(default=default, metadata={"low": low, "high": high})
    return made


def one_of(default: T, choices: Sequence[str]) -> T:
    """One of these words, or for a list only these words."""
    made: T = field(default=default, metadata={"choices": tuple(choices)})
    return made


def matching(default: T, pattern: str, meaning: str) -> T:
    """A text that matches the whole pattern; `meaning` is what the error says it must be."""
    made: T = field(default=default, metadata={"pattern": pattern, "meaning": meaning})
    return made
