"""Personal data written as digits: cards, telephone numbers, and national numbers that are digits only.

One pass finds stretches of digits and separators; only those with enough digits are read closer. Every
quantifier is possessive or short, so no input makes a pattern retry a long stretch.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from router_core.record import dataclass
from router_core.signals import checksums
from router_core.signals.reading import DIGIT, Reading
from router_core.signals.spans import PiiSpan, at

MIN_DIGITS: Final = 7
"""The shortest number reported (a local telephone number)."""

_STRETCH: Final = re.compile(r"[0-9][0-9 .()/\-]{6,}+")
_NOT_DIGIT: Final = str.maketrans("", "", " .()/-+")
_CUE_CHARS: Final = 28
_PHONE_CUE: Final = re.compile(
    r"\b(?:tel|phone|telephone|mobile|cell|call|fax|whatsapp|sms|text|contact|dial|reach|handy|telefon\w*|mobil\w*"
    r"|t[ée]l[ée]phone|portable|m[óo]vil|tel[ée]fono|telefono|cellulare|nummer)\b[^0-9]*\Z"
)
_SSN_NEVER_ISSUED: Final = frozenset({"078051120", "219099999"})
"""Printed in advertisements for decades, void ever since (US Social Security Administration)."""

_CARD_ISSUER: Final = re.compile(
    r"4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})|5[1-5][0-9]{14}|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11}"
    r"|(?:222[1-9]|22[3-9][0-9]|2[3-6][0-9]{2}|27[01][0-9]|2720)[0-9]{12}|35[0-9]{14}"
    r"|6(?:011|22[0-9]|4[4-9][0-9]|5[0-9]{2})[0-9]{12,15}|(?:50|5[6-9]|6[37])[0-9]{10,17}"
)
"""Leading digits and lengths that card networks issue; without it one long number in ten would be a card."""


def _card(digits: str) -> bool:
    return _CARD_ISSUER.fullmatch(digits) is not None and checksums.luhn(digits)


def _ssn(digits: str) -> bool:
    area = digits[:3]
    blocked = area in ("000", "666") or area[0] == "9" or digits[3:5] == "00" or digits[5:] == "0000"
    return not blocked and digits not in _SSN_NEVER_ISSUED


@dataclass(frozen=True, slots=True)
class _Rule:
    kind: str
    digits: int
    pattern: re.Pattern[str]
    valid: Callable[[str], bool]
    checksum: bool


_RULES: Final = (
    _Rule(
        "credit_card",
        12,
        re.compile(
            r"(?<![0-9])(?:[0-9]{12,19}+|[0-9]{4}([ .\-])[0-9]{4}\1[0-9]{4}\1[0-9]{4}(?:\1[0-9]{3})?"
            r"|[0-9]{4}([ .\-])[0-9]{6}\2[0-9]{4,5})(?![0-9])"
        ),
        _card,
        True,
    ),
    _Rule(
        "fr_nir",
        15,
        re.compile(
            r"(?<![0-9])[1-478] ?[0-9]{2} ?(?:0[1-9]|1[0-2]|[2-9][0-9]) ?[0-9]{2} ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}(?![0-9])"
        ),
        checksums.french_nir,
        True,
    ),
    _Rule(
        "de_tax_id",
        11,
        re.compile(r"(?<![0-9])[0-9]{2}( ?)[0-9]{3}\1[0-9]{3}\1[0-9]{3}(?![0-9])"),
        checksums.german_tax_id,
        True,
    ),
    _Rule("us_ssn", 9, re.compile(r"(?<![0-9\-])[0-9]{3}([ \-])[0-9]{2}\1[0-9]{4}(?![0-9\-])"), _ssn, False),
)

_PHONE: Final = re.compile(
    r"(?<![0-9./\-])(?:(?<![0-9] )00[1-9](?:[ ./\-]{0,2}+[0-9]){7,12}+"
    r"|(?:1[ .\-]?)?\([2-9][0-9]{2}\) ?[2-9][0-9]{2}[ .\-]?[0-9]{4}"
    r"|(?:1[ .\-])?[2-9][0-9]{2}([ .\-])[2-9][0-9]{2}\1[0-9]{4}"
    r"|(?<![0-9] )(?![0-9]{3}-[0-9]{2}-[0-9]{4}(?![0-9]))0[1-9](?:[ ./\-]{0,2}+[0-9]){7,10}+)(?![0-9])"
)
_PHONE_ABROAD: Final = re.compile(r"\+[0-9](?:[ .()/\-]{0,3}+[0-9]){7,14}+(?![0-9])")
_DATE_DIGITS: Final = 8
_PHONE_AFTER_CUE: Final = re.compile(r"(?<![0-9])\(?[0-9](?:[ .()/\-]{0,2}+[0-9]){6,14}+(?![0-9])")
_DATE: Final = re.compile(
    r"[0-9]{1,2}[./\-][0-9]{1,2}[./\-](?:19|20)?[0-9]{2}|(?:19|20)[0-9]{2}[./\-][0-9]{1,2}[./\-][0-9]{1,2}"
)


def find_numbers(reading: Reading) -> Iterator[PiiSpan]:
    """Every number of a known kind; call it only when the text has at least `MIN_DIGITS` digits."""
    plain, shape = reading.plain, reading.shape
    for stretch in _STRETCH.finditer(plain):
        start, end = stretch.span()
        digits = shape.count(DIGIT, start, end)
        lone_date = digits <= _DATE_DIGITS and _DATE.match(plain, start)
        if digits >= MIN_DIGITS and not lone_date:
            yield from _identifiers(plain, start, end, digits)
            yield from _phones(reading, start, end)


def _identifiers(plain: str, start: int, end: int, digits: int) -> Iterator[PiiSpan]:
    for rule in _RULES:
        if digits < rule.digits:
            continue
        for match in rule.pattern.finditer(plain, start, end):
            # Letters glued to a number make it part of a code, not a number.
            glued = _letter_at(plain, match.end()) or _letter_at(plain, match.start() - 1)
            if not glued and rule.valid(match[0].translate(_NOT_DIGIT)):
                yield at(rule.kind, match.span(), checksum=rule.checksum)


def _letter_at(plain: str, index: int) -> bool:
    return 0 <= index < len(plain) and (plain[index].isalpha() or plain[index] == "_")


def _phones(reading: Reading, start: int, end: int) -> Iterator[PiiSpan]:
    plain = reading.plain
    if start and plain[start - 1] == "+":
        pattern, start = _PHONE_ABROAD, start - 1
    elif _PHONE_CUE.search(reading.lower, max(0, start - _CUE_CHARS), start):
        pattern = _PHONE_AFTER_CUE
        start -= plain[start - 1] == "("
    else:
        pattern = _PHONE
        start -= start > 0 and plain[start - 1] == "("
    for match in pattern.finditer(plain, start, end):
        if not (
            _DATE.match(plain, match.start())
            or _letter_at(plain, match.end())
            or _letter_at(plain, match.start() - 1)
        ):
            yield at("phone", match.span())
