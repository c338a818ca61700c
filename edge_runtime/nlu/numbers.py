"""Reads a number that a person wrote or spoke: "21", "1,200.5", "twenty one", "two and a half".

Kept free of any model: a value that reaches a device is read by rules that can be tested.
"""

import re

_ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
WORDS: dict[str, float] = {
    **{word: float(value) for value, word in enumerate(_ONES)},
    **{word: float(20 + 10 * step) for step, word in enumerate(_TENS)},
    "a": 1.0,
    "an": 1.0,
    "oh": 0.0,
}
_SCALES = {"dozen": 12.0, "hundred": 100.0, "thousand": 1000.0, "million": 1_000_000.0}
_FRACTIONS = {"half": 0.5, "quarter": 0.25, "third": 1 / 3}
_DIGITS = re.compile(r"[+-]?(?:\d{1,3}(?:,\d{3})+|\d{1,9})(?:\.\d{1,6})?|\.\d{1,6}")
LONGEST = 80


def parse_number(text: str) -> float | None:
    """None when the text is not wholly a number. Bounded: at most 80 characters are looked at."""
    words = text.lower().strip()
    if not words or len(words) > LONGEST:
        return None
    for sign in ("minus ", "negative "):
        if words.startswith(sign):
            value = _unsigned(words[len(sign) :].strip())
            return None if value is None else -value
    return _unsigned(words)


def _unsigned(words: str) -> float | None:
    if _DIGITS.fullmatch(words):
        return float(words.replace(",", ""))
    whole, _, fraction = words.partition(" and ")
    if fraction:
        tail = _FRACTIONS.get(fraction.removeprefix("a ").strip())
        head = _unsigned(whole)
        if tail is not None:
            return None if head is None else head + tail
    if words.removeprefix("a ") in _FRACTIONS:
        return _FRACTIONS[words.removeprefix("a ")]
    if " point " in words:
        return _decimal(*words.split(" point ", 1))
    return _spelled(words.replace("-", " ").split())


def _decimal(whole: str, digits: str) -> float | None:
    head = _unsigned(whole.strip())
    tail = [_unsigned(word) for word in digits.split()]
    if head is None or any(value is None or not 0 <= value <= 9 for value in tail):
        return None
    return float(f"{int(head)}." + "".join(str(int(value)) for value in tail if value is not None))


def _spelled(words: list[str]) -> float | None:
    total, group, last = 0.0, 0.0, 0.0
    for position, word in enumerate(words):
        if word == "and" and position:
            continue
        if word in _SCALES:
            group = (group or 1.0) * _SCALES[word]
            if word not in {"dozen", "hundred"}:
                total, group = total + group, 0.0
            last = _SCALES[word]
            continue
        value = _word(word)
        if value is None or not _follows(last, value):
            return None
        group, last = group + value, value
    return total + group if words else None


def _word(word: str) -> float | None:
    return float(word.replace(",", "")) if _DIGITS.fullmatch(word) else WORDS.get(word)


def _follows(last: float, value: float) -> bool:
    """Whether a number word may stand after another: "twenty one" yes, "one twenty" no."""
    return last == 0.0 or last >= 100.0 or (20.0 <= last <= 90.0 and 1.0 <= value <= 9.0)
