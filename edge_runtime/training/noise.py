"""What happens to a sentence on its way: politeness, fillers, typing errors, casing, punctuation.

Slot values keep their letters (a wrong letter would change what was meant); everything around may suffer.
"""

import random
import re
from dataclasses import dataclass

from edge_runtime.training.grammar import Filled

_BEFORE = (
    "please", "please", "can you", "could you", "could you please", "hey", "ok", "would you", "can you please", "hey can you",
    "i would like you to", "i want you to", "go ahead and", "um", "uh", "hi", "hello", "alright", "quickly", "just", "so",
    "now", "would you mind and", "i need you to", "okay", "hey assistant", "computer", "will you", "kindly", "hey there",
    "excuse me", "hey could you", "i'd like you to", "would you please", "ok now", "okay so", "yo", "hey computer", "um please",
    "do me a favor and", "be so kind and", "would you be so kind and", "assistant", "hi there", "listen", "right", "well",
    "yeah", "actually", "also", "hey please", "if you can", "if possible", "let's see", "er", "hmm", "ah", "oh", "dear assistant",
    "i was wondering if you could", "is it possible to", "can you just", "could you just", "can you quickly", "you know what",
)  # fmt: skip
_AFTER = (
    "please", "please", "now", "thanks", "for me", "thank you", "right now", "would you", "please thanks", "asap", "ok",
    "if you can", "if possible", "quickly", "for me please", "will you", "could you", "thank you very much", "immediately",
    "cheers", "right away", "if you don't mind", "when you can", "okay", "yeah", "real quick", "can you", "please and thank you",
)  # fmt: skip
_HOMOPHONES = {
    "to": "too", "for": "four", "the": "da", "of": "off", "by": "buy", "what's": "whats", "i'm": "im", "it's": "its", "don't": "dont",
    "can't": "cant", "you": "u", "are": "r", "please": "pls", "your": "you're", "there": "their", "wake": "wait", "lights": "lites",
    "light": "lite", "set": "sit", "through": "thru", "and": "an", "volume": "volumes", "timer": "time her", "what": "wat",
}  # fmt: skip
_SMALL = frozenset({"the", "a", "an", "my", "our", "to", "of", "is", "are", "some", "me", "in"})
_CONTRACTIONS = (
    ("what is ", "what's "), ("how is ", "how's "), ("i am ", "i'm "), ("it is ", "it's "), ("do not ", "don't "),
    ("i would ", "i'd "), ("let us ", "let's "), ("i will ", "i'll "), ("where is ", "where's "),
    ("who is ", "who's "), ("that is ", "that's "), ("going to ", "gonna "), ("want to ", "wanna "),
)  # fmt: skip
_FILLERS = ("um", "uh", "like", "you know", "er", "just", "please")


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseRates:
    """Probabilities per sentence."""

    before: float = 0.4
    after: float = 0.22
    filler: float = 0.06
    typo: float = 0.12
    contraction: float = 0.35
    capital: float = 0.2
    shout: float = 0.02
    stop: float = 0.2
    dropped: float = 0.08
    homophone: float = 0.06


CLEAN = NoiseRates(
    before=0, after=0, filler=0, typo=0, contraction=0, capital=0, shout=0, stop=0, dropped=0, homophone=0
)
POLITE = NoiseRates(filler=0, typo=0, dropped=0, homophone=0)


def disturb(filled: Filled, rng: random.Random, rates: NoiseRates) -> Filled:
    """The same commands, said or typed less neatly; spans move along."""
    result = filled
    changes = (
        (rates.contraction, _contract), (rates.dropped, _drop), (rates.homophone, _mishear), (rates.typo, _typo),
        (rates.filler, _filler),
    )  # fmt: skip
    for rate, change in changes:
        if rng.random() < rate:
            result = change(result, rng)
    if rng.random() < rates.before:
        result = _prefix(result, rng.choice(_BEFORE) + " ")
    text = result.text
    if rng.random() < rates.after:
        text += " " + rng.choice(_AFTER)
    if rng.random() < rates.stop:
        text += rng.choice((".", ".", "!", "?"))
    if rng.random() < rates.capital:
        text = text[:1].upper() + text[1:]
    if rng.random() < rates.shout:
        text = text.upper()
    return Filled(text=text, spans=result.spans)


def _contract(filled: Filled, rng: random.Random) -> Filled:
    """ "what is" becomes "what's" or "whats", wherever no slot value is touched."""
    result = filled
    for full, short in _CONTRACTIONS:
        at = result.text.find(full)
        end = at + len(full)
        if (
            at < 0
            or (at > 0 and result.text[at - 1] != " ")
            or any(a < end and b > at for a, b, _ in result.spans)
        ):
            continue
        words = short.replace("'", "") if rng.random() < 0.2 else short
        shift = len(words) - len(full)
        spans = tuple(
            (a + shift, b + shift, slot) if a >= end else (a, b, slot) for a, b, slot in result.spans
        )
        result = Filled(text=result.text[:at] + words + result.text[end:], spans=spans)
    return result


def _prefix(filled: Filled, words: str) -> Filled:
    return _insert(filled, 0, words)


def _insert(filled: Filled, at: int, words: str) -> Filled:
    size = len(words)
    spans = tuple((a + size, b + size, slot) if a >= at else (a, b, slot) for a, b, slot in filled.spans)
    return Filled(text=filled.text[:at] + words + filled.text[at:], spans=spans)


def _replaced(filled: Filled, start: int, end: int, words: str) -> Filled:
    shift = len(words) - (end - start)
    spans = tuple((a + shift, b + shift, slot) if a >= end else (a, b, slot) for a, b, slot in filled.spans)
    return Filled(text=filled.text[:start] + words + filled.text[end:], spans=spans)


def _outside(filled: Filled, pattern: str) -> list[re.Match[str]]:
    return [
        word
        for word in re.finditer(pattern, filled.text)
        if all(word.end() <= a or word.start() >= b for a, b, _ in filled.spans)
    ]


def _drop(filled: Filled, rng: random.Random) -> Filled:
    """Leaves out a small word, as hurried people and speech recognition do."""
    found = [word for word in _outside(filled, r"[a-z]+ ") if word[0].strip() in _SMALL]
    if not found:
        return filled
    word = rng.choice(found)
    return _replaced(filled, word.start(), word.end(), "")


def _mishear(filled: Filled, rng: random.Random) -> Filled:
    """A word that sounds alike, or the short form that people type."""
    found = [word for word in _outside(filled, r"[a-z']+") if word[0] in _HOMOPHONES]
    if not found:
        return filled
    word = rng.choice(found)
    return _replaced(filled, word.start(), word.end(), _HOMOPHONES[word[0]])


def _typo(filled: Filled, rng: random.Random) -> Filled:
    """Swaps or doubles two letters in one word outside the slots (length kept by swapping, else spans move)."""
    words = _outside(filled, r"[a-z]{4,}")
    if not words:
        return filled
    word = rng.choice(words)
    at = word.start() + rng.randint(1, len(word[0]) - 2)
    text = filled.text
    if rng.random() < 0.5:
        return Filled(text=text[:at] + text[at + 1] + text[at] + text[at + 2 :], spans=filled.spans)
    if rng.random() < 0.5:
        return _insert(filled, at, text[at])
    spans = tuple((a - 1, b - 1, slot) if a > at else (a, b, slot) for a, b, slot in filled.spans)
    return Filled(text=text[:at] + text[at + 1 :], spans=spans)


def _filler(filled: Filled, rng: random.Random) -> Filled:
    words = _outside(filled, r"[a-z]{4,}")
    return _insert(filled, rng.choice(words).start(), rng.choice(_FILLERS) + " ") if words else filled
