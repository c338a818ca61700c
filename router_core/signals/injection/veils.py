"""What a text says once its disguises are taken off: invisible characters, look-alike letters, digits for letters, letters
set apart, base64, hexadecimal, percent and entity codes, ROT13, text written backwards.

Each veil has a mark that is cheap to look for and that ordinary text does not have; only then is the text decoded, and read
again in full. What is decoded is shorter than what was given or as long, and is decoded at most twice, so all stays linear.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import html
import re
import unicodedata
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote

from router_core.signals import triggers
from router_core.signals.reading import Reading

_RUN: Final = b"a" * 24
_ENCODED: Final = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{24,}+={0,2}")
_HEX: Final = re.compile(r"(?:[0-9a-fA-F]{2}[ :,]?){16,}+")
_PERCENT: Final = re.compile(r"%[0-9a-fA-F]{2}")
_INVISIBLE: Final = re.compile("[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e007f\U000e0100-\U000e01ef]++")  # fmt: skip
_TAGS: Final = re.compile("[\U000e0020-\U000e007e]++")
_STYLED: Final = re.compile(
    "[\u2100-\u214f\u2460-\u24ff\uff21-\uff3a\uff41-\uff5a\U0001d400-\U0001d7ff\U0001f130-\U0001f189]"
)
_MIXED: Final = re.compile("[a-zA-Z][\u0370-\u03ff\u0400-\u04ff\u0531-\u0587]|[\u0370-\u03ff\u0400-\u04ff\u0531-\u0587][a-zA-Z]")  # fmt: skip
_ALIKE: Final = str.maketrans(
    "аАВвсСеЕНһіІїјЈкКМпоОрРѕЅтТуУхХԁԛԝɡαΑΒεΕΗιΙκΚΜνΝοΟρΡτΤυΥχΧΖօսհոց",
    "aABBcCeEHhiIijJkKMnoOpPsStTyYxXdqwgaABeEHiIkKMvNoOpPtTuYxXZouhng",
)
_LEET: Final = str.maketrans("013457$@!|", "oieastsail")
_LEET_L: Final = str.maketrans("013457$@!|", "oleastsail")
_APART: Final = re.compile(r"(?<![^\W_])[^\W\d_](?:[ .\-_*·|]{1,2}[^\W\d_]){1,}+")
_JOINERS: Final = re.compile(r"[ .\-_*·|]")
_TOLD: Final = 0.85
"""Share of letters, blanks and punctuation from which decoded bytes are text."""
_TEXT: Final = re.compile(r"[\w\s.,;:!?'\"()<>/-]")


def marked(reading: Reading) -> bool:
    """Whether any veil's mark is there; what every ordinary text is asked, so only the fastest searches."""
    shape = reading.shape
    return (
        not reading.western
        or _RUN in shape
        or b" a a a a" in shape
        or b".a.a.a." in shape
        or (b"0" in shape and (b"a0a" in shape or b"0aa" in shape or _RUN in shape.replace(b"0", b"a")))
        or reading.text.count("%") > 5
        or ("&" in reading.text and "&#" in reading.text)
        or not reading.hits.isdisjoint(triggers.TURNED)
    )


def unveiled(reading: Reading) -> Iterator[tuple[str, str]]:
    """Name of each veil that was found, and the text without it."""
    shape, text = reading.shape, reading.text
    if _RUN in shape.replace(b"0", b"a"):
        yield from _decoded(text)
    if b"a0a" in shape or b"0aa" in shape:
        yield from _leet(reading.lower)
    if b" a a a a" in shape or b".a.a.a." in shape:
        apart = text.replace("   ", " \u0000 ")
        yield "spaced", " ".join(_APART.sub(_joined, apart).replace("\u0000", " ").split())
    if not reading.western:
        yield from _characters(reading)
    if text.count("%") > 5 or "&#" in text:
        yield from _escaped(text)
    if not reading.hits.isdisjoint(triggers.ROTATED):
        yield "rot13", codecs.encode(text, "rot13")
    if not reading.hits.isdisjoint(triggers.REVERSED):
        yield "reversed", text[::-1]


def _decoded(text: str) -> Iterator[tuple[str, str]]:
    found = [told for match in _ENCODED.finditer(text) if (told := _base64(match[0])) is not None]
    if found:
        yield "base64", "\n".join(found)
    spelt = [told for match in _HEX.finditer(text) if (told := _hex(match[0])) is not None]
    if spelt:
        yield "hex", "\n".join(spelt)


def _base64(token: str) -> str | None:
    body = token.rstrip("=").replace("-", "+").replace("_", "/")
    body = body[: len(body) - (len(body) % 4 == 1)]
    try:
        return _as_text(base64.b64decode(body + "=" * (-len(body) % 4), validate=True))
    except (binascii.Error, ValueError):
        return None


def _hex(token: str) -> str | None:
    digits = re.sub(r"[^0-9a-fA-F]", "", token)
    return _as_text(bytes.fromhex(digits[: len(digits) // 2 * 2]))


def _as_text(raw: bytes) -> str | None:
    try:
        told = raw.decode("utf-8")
    except UnicodeDecodeError:
        return None
    looked = told[:400]
    return told if looked and len(_TEXT.findall(looked)) >= _TOLD * len(looked) else None


def _leet(lower: str) -> Iterator[tuple[str, str]]:
    yield "leet", lower.translate(_LEET)
    if "1" in lower:
        yield "leet", lower.translate(_LEET_L)


def _joined(match: re.Match[str]) -> str:
    return _JOINERS.sub("", match[0])


def _characters(reading: Reading) -> Iterator[tuple[str, str]]:
    text, octets = reading.text, reading.octets
    astral, symbols = b"x" in octets, b"s" in octets
    plain, veil = text, ""
    if (astral or symbols or "\u00ad" in text) and _INVISIBLE.search(text):
        tagged = "".join(_TAGS.findall(text)) if astral else ""
        if tagged:
            yield "invisible", "".join(chr(ord(char) - 0xE0000) for char in tagged)
        plain, veil = _INVISIBLE.sub("", text), "invisible"
    if (astral or symbols) and _STYLED.search(plain):
        plain, veil = unicodedata.normalize("NFKC", plain), "styled"
    if (b"ag" in octets or b"gca" in octets or veil) and _MIXED.search(plain):
        plain, veil = plain.translate(_ALIKE), "look_alike"
    if veil:
        yield veil, plain
        if "\u202e" in text:
            yield "reversed", plain[::-1]


def _escaped(text: str) -> Iterator[tuple[str, str]]:
    if "&#" in text:
        yield "entities", html.unescape(text)
    if len(_PERCENT.findall(text)) > 5:
        yield "percent", unquote(text, errors="replace")
