"""Which characters stand for an ASCII one, so that a card number in full-width digits is still a card number.

Copying from word processors turns blanks into no-break spaces and hyphens into typographic dashes; other
scripts have their own digits. Each is mapped to exactly one ASCII character: offsets do not move.
"""

from __future__ import annotations

import re
from typing import Final

_SPACES: Final = (
    "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
)
_DASHES: Final = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"
_OTHERS: Final = {"\uff20": "@", "\uff0e": ".", "\uff0b": "+", "\uff1a": ":", "\u2024": "."}


_ZEROS: Final = (
    0x0660,
    0x06F0,
    0x0966,
    0x09E6,
    0x0A66,
    0x0AE6,
    0x0BE6,
    0x0C66,
    0x0CE6,
    0x0D66,
    0x0E50,
    0xFF10,
)
"""Zero of: Arabic, Persian, Devanagari, Bengali, Gurmukhi, Gujarati, Tamil, Telugu, Kannada, Malayalam, Thai, full width."""


def _digits() -> dict[int, str]:
    return {zero + value: str(value) for zero in _ZEROS for value in range(10)}


def _table() -> dict[int, str]:
    table = _digits()
    table.update({ord(char): " " for char in _SPACES})
    table.update({ord(char): "-" for char in _DASHES})
    table.update({ord(char): ascii_char for char, ascii_char in _OTHERS.items()})
    return table


_FOLD: Final = _table()
_WESTERN_FOLDABLE: Final = {"\u00a0": " ", "\u2013": "-", "\u2014": "-"}
_FOLDABLE: Final = re.compile("[" + "".join(re.escape(chr(code)) for code in sorted(_FOLD)) + "]")


def fold_ascii(text: str, *, western: bool) -> str:
    """`text` with foreign digits, blanks and dashes as ASCII; same length. The usual text has none of them.
    `western`: the text has Western European characters only, so the few that can occur are looked for singly."""
    if western:
        for char in _WESTERN_FOLDABLE:
            text = text.replace(char, _WESTERN_FOLDABLE[char])
        return text
    return text.translate(_FOLD) if _FOLDABLE.search(text) else text
