"""Personal numbers that mix letters and digits: bank accounts and national identifiers of four countries.

Their layout is searched in the text's shape (letters `a`, digits `0`), which is one fast substring search
each, and only a hit is read closer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from router_core.record import dataclass
from router_core.signals import checksums
from router_core.signals.reading import Reading
from router_core.signals.spans import PiiSpan, at

MIN_DIGITS: Final = 6
_SEPARATORS: Final = str.maketrans("", "", " -")
_NINO: Final = re.compile(r"(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z][0-9]{6}[A-D]")
_CORSICAN_NIR: Final = re.compile(
    r"(?<![0-9A-Za-z])[1-478] ?[0-9]{2} ?(?:0[1-9]|1[0-2]|[2-9][0-9]) ?2[AB] ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}(?![0-9A-Za-z])"
)
_WORD_BYTES: Final = b"a0"


def _nino(code: str) -> bool:
    return _NINO.fullmatch(code) is not None


def _dni(code: str) -> bool:
    return code[0] in "0123456789XYZ" and checksums.spanish_dni(code)


@dataclass(frozen=True, slots=True)
class _Layout:
    kind: str
    shape: bytes
    valid: Callable[[str], bool]
    checksum: bool


_LAYOUTS: Final = (
    (
        b"aa00",
        (
            _Layout("uk_nino", b"aa000000a", _nino, False),
            _Layout("it_codice_fiscale", b"aaaaaa00a00a000a", checksums.italian_fiscal_code, True),
        ),
    ),
    (b"aa 00 00 00 a", (_Layout("uk_nino", b"aa 00 00 00 a", _nino, False),)),
    (
        b"0000000",
        (
            _Layout("es_dni", b"00000000a", _dni, True),
            _Layout("es_dni", b"00000000.a", _dni, True),
            _Layout("es_dni", b"a0000000a", _dni, True),
            _Layout("es_dni", b"a.0000000.a", _dni, True),
        ),
    ),
)
"""Layouts by a shape that all of a group contain."""


def find_codes(reading: Reading) -> Iterator[PiiSpan]:
    """IBANs and national codes; call it only when the text has at least `MIN_DIGITS` digits."""
    plain, shape = reading.plain, reading.shape
    for needed, layouts in _LAYOUTS:
        if needed in shape:
            for layout in layouts:
                yield from _laid_out(plain, shape, layout)
    if b"aa00" in shape:
        yield from _ibans(plain, shape)
    if "2A" in plain or "2B" in plain:
        for match in _CORSICAN_NIR.finditer(plain):
            if checksums.french_nir(match[0].translate(_SEPARATORS)):
                yield at("fr_nir", match.span(), checksum=True)


def _laid_out(plain: str, shape: bytes, layout: _Layout) -> Iterator[PiiSpan]:
    for start in _starts(shape, layout.shape):
        end = start + len(layout.shape)
        if shape[end : end + 1] in _WORD_BYTES and end < len(shape):
            continue
        if layout.valid(plain[start:end].translate(_SEPARATORS).upper()):
            yield at(layout.kind, (start, end), checksum=layout.checksum)


def _ibans(plain: str, shape: bytes) -> Iterator[PiiSpan]:
    for start in _starts(shape, b"aa00"):
        length = checksums.IBAN_LENGTHS.get(plain[start : start + 2].upper())
        if length is None:
            continue
        code = plain[start : start + 2 * length].translate(_SEPARATORS)[:length]
        if code.isascii() and code.isalnum() and checksums.iban(code.upper()):
            yield at("iban", (start, _end_of(plain, start, length)), checksum=True)


def _end_of(plain: str, start: int, length: int) -> int:
    """Where `length` letters and digits from `start` end; blanks and hyphens between them do not count."""
    end = start
    while length and end < len(plain):
        length -= plain[end] not in " -"
        end += 1
    return end


def _starts(shape: bytes, layout: bytes) -> Iterator[int]:
    """Where the layout begins a word."""
    start = shape.find(layout)
    while start >= 0:
        if start == 0 or shape[start - 1 : start] not in _WORD_BYTES:
            yield start
        start = shape.find(layout, start + 1)
