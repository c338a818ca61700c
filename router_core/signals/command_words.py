"""Whether a short text sounds like a command, by its words and pairs of neighbours: for those that no pattern describes.

A logistic regression over a list that lies in the code (`command_weights`). It claims rather too much than too little: the
device model says "I do not know" to what is none, and the next target answers.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Final

MAX_WORDS: Final = 18
SURE: Final = 1.5
"""Log odds from which on a text counts as a command."""


def features(words: list[str]) -> set[str]:
    """The words, and each pair of neighbours with the ends of the sentence."""
    ends = ["^", *words, "$"]
    return {*words, *(f"{one} {other}" for one, other in pairwise(ends))}


def sounds_like_a_command(words: list[str]) -> bool:
    """`words`: lower case, in order."""
    if not 0 < len(words) <= MAX_WORDS:
        return False
    weights, bias = _weights()
    return bias + sum(weights.get(feature, 0.0) for feature in features(words)) >= SURE


@cache
def _weights() -> tuple[dict[str, float], float]:
    """Unpacked when a text first needs them."""
    from router_core.signals.command_weights import BIAS, WEIGHTS

    found = {feature.replace("_", " "): weight for weight, listed in WEIGHTS for feature in listed.split()}
    return found, BIAS
