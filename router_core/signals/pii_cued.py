"""Data that only its label makes personal: a date is a birth date, a number a passport, if the text says so.

Each rule has the words one of which must occur, and a pattern whose group 1 is the value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from router_core.record import dataclass
from router_core.signals import checksums, triggers
from router_core.signals.reading import Reading
from router_core.signals.spans import PiiSpan, at

MIN_DIGITS: Final = 4
_MONTH: Final = (
    r"(?:jan(?:uary|uar|vier)?|feb(?:ruary|ruar)?|f[ée]vrier|mar(?:ch|s|zo)?|märz|apr(?:il)?|avril|ma[iy]|june?|juni|juin"
    r"|july?|juli|juillet|aug(?:ust)?|août|sep(?:t(?:ember)?)?|septembre|o[ck]t(?:ober|obre)?|nov(?:ember|embre)?"
    r"|de[cz](?:ember)?|d[ée]cembre|enero|febrero|abril|mayo|junio|julio|agosto|septiembre|octubre|noviembre|diciembre)"
)
_YEAR: Final = r"(?:19|20)[0-9]{2}"
_DATE: Final = (
    rf"((?:[0-3]?[0-9][./\- ][0-3]?[0-9][./\- ](?:{_YEAR}|[0-9]{{2}})"
    rf"|{_YEAR}[./\-][01]?[0-9][./\-][0-3]?[0-9]"
    rf"|[0-3]?[0-9](?:st|nd|rd|th|\.)? (?:of |de )?{_MONTH}\.?,? (?:de )?{_YEAR}"
    rf"|{_MONTH}\.? [0-3]?[0-9](?:st|nd|rd|th)?,? {_YEAR}))(?![0-9])"
)
_LINK: Final = (
    r"(?:\s|[:#=\"'.()]|\b(?:is|was|no|nr|num|number|nummer|numero|número|numéro|id|the|my)\b){1,12}+"
)


def _always(_: str) -> bool:
    return True


def _has_digits(value: str) -> bool:
    return sum(map(str.isdigit, value)) >= MIN_DIGITS


def _bsn(value: str) -> bool:
    return checksums.dutch_bsn(value.replace(".", "").replace(" ", ""))


@dataclass(frozen=True, slots=True)
class _Cued:
    kind: str
    words: frozenset[str]
    pattern: re.Pattern[str]
    valid: Callable[[str], bool]
    checksum: bool = False


_RULES: Final = (
    _Cued(
        "date_of_birth",
        triggers.BIRTH,
        re.compile(
            r"\b(?:date of birth|birth ?(?:date|day)|born|dob|geboren|geburts(?:datum|tag)|naissance|née?|nacimiento"
            rf"|nacid[oa]|nascita|nat[oa])\b[^0-9\n]{{0,24}}?{_DATE}"
        ),
        _always,
    ),
    _Cued(
        "medical_record",
        triggers.RECORD,
        re.compile(
            r"\b(?:mrn|medical record|patient (?:id|no|number|record)|patient-id|chart (?:no|number)|hospital (?:no|number|id)"
            rf"|nhs (?:no|number)){_LINK}((?:[a-z]{{1,4}}-?)?[0-9](?:[ \-]?[0-9]){{3,11}})(?![0-9a-z])"
        ),
        _has_digits,
    ),
    _Cued(
        "passport",
        triggers.PASSPORT,
        re.compile(
            r"\b(?:passport|reisepass|passeport|pasaporte|passaporto|paspoort)(?:nummer|number)?"
            rf"{_LINK}([a-z0-9]{{6,12}})(?![0-9a-z])"
        ),
        _has_digits,
    ),
    _Cued(
        "us_ssn",
        triggers.SOCIAL,
        re.compile(
            rf"\b(?:ssn|social security){_LINK}((?!000|666|9)[0-9]{{3}}(?!00)[0-9]{{2}}(?!0000)[0-9]{{4}})(?![0-9])"
        ),
        _always,
    ),
    _Cued(
        "nl_bsn",
        triggers.CITIZEN,
        re.compile(
            r"\b(?:bsn|burgerservicenummer|sofinummer|sofi-nummer)"
            rf"{_LINK}([0-9]{{4}}[. ][0-9]{{2}}[. ][0-9]{{3}}|[0-9]{{9}})(?![0-9])"
        ),
        _bsn,
        True,
    ),
)


def find_cued(reading: Reading) -> Iterator[PiiSpan]:
    """Labelled values; call it only when the text has at least `MIN_DIGITS` digits."""
    for rule in _RULES:
        if reading.hits.isdisjoint(rule.words):
            continue
        for match in rule.pattern.finditer(reading.lower):
            if rule.valid(match[1]):
                yield at(rule.kind, match.span(1), checksum=rule.checksum)
