"""Where someone can be reached or found: e-mail and network addresses, coordinates.

Patterns start at the character that makes the find likely (`@`, a colon) and look around it, so ordinary text
costs one substring search per kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv6Address
from typing import Final

from router_core.signals import triggers
from router_core.signals.reading import Reading
from router_core.signals.spans import PiiSpan, at

_DOMAIN: Final = re.compile(r"@([\w.\-]{4,255}+)")
_LOCAL_CHARS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._%+-'äöüßéèñ"
_LOCAL_LONGEST: Final = 64
_SERVICE_LOCALS: Final = frozenset({"git", "noreply", "no-reply", "postmaster"})
"""Not a person's: remote addresses of version control, and senders that nobody reads."""

_IPV4_REST: Final = re.compile(r"\.[0-9]{1,3}+\.[0-9]{1,3}+\.[0-9]{1,3}+(?![0-9]|\.[0-9])")
_IPV4_HEAD: Final = re.compile(r"(?<![0-9A-Za-z._])[0-9]{1,3}\Z")
_VERSION_CUE: Final = re.compile(r"(?:version|release|\bv)[ :=]{0,2}\Z")
_CUE_CHARS: Final = 12
_HEX_STRETCH: Final = re.compile(r"[0-9A-Fa-f:]{6,}+")
_MAC_RESTS: Final = tuple(
    (mark, re.compile(mark + mark.join(["[0-9A-Fa-f]{2}"] * 5) + r"(?![0-9A-Fa-f:\-])")) for mark in ":-"
)
_MAC_HEAD: Final = re.compile(r"(?<![0-9A-Za-z:\-])[0-9A-Fa-f]{2}\Z")
_IPV6_LONGEST: Final = 45

_WHOLE: Final = re.compile(r"(?<![0-9.])[+-]?[0-9]{1,3}\Z")
_PAIR_REST: Final = re.compile(
    r"\.[0-9]{3,15}+(?: ?°)?(?: ?([NSns])\b)?[,;/ ] {0,2}([+-]?[0-9]{1,3}+\.[0-9]{3,15}+)"
    r"(?: ?°)?(?: ?([EWew])\b)?(?![0-9.])"
)
"""From the first decimal point on: that is what a search can jump to."""
_LATITUDE: Final = re.compile(r"[+-]?[0-9]{1,3}+\.[0-9]{3,15}+")

_LABELLED: Final = re.compile(
    r"\blat(?:itude)?\W{1,4}([+-]?[0-9]{1,2}+\.[0-9]{2,15}+)\W{1,6}(?:lon(?:gitude)?|lng)\W{1,4}([+-]?[0-9]{1,3}+\.[0-9]{2,15}+)"
)
_PLACE_CUE: Final = re.compile(
    r"\b(?:lat|latitude|lon|lng|coordinates?|gps|location|located|position|koordinaten|geo)\b"
)
_PLACE_CUE_CHARS: Final = 40
_LIST_AROUND: Final = re.compile(r"[0-9\]],? ?\Z")
_PRECISE_DECIMALS: Final = 4


def find_addresses(reading: Reading, digits: int) -> Iterator[PiiSpan]:
    """E-mail, IP and MAC addresses and coordinates in the text, which has `digits` digits."""
    plain, shape = reading.plain, reading.shape
    if "@" in plain:
        yield from _emails(plain)
    if ":" in plain or "-" in plain:
        yield from _hardware(plain)
    if digits > 3 and b"0.0" in shape:
        if plain.count(".") > 2:
            yield from _hosts(reading)
        if shape.count(b"0.000") > 1:
            yield from _pairs(reading)
        if not reading.hits.isdisjoint(triggers.PLACE):
            yield from _labelled(reading.lower)


def _emails(plain: str) -> Iterator[PiiSpan]:
    previous = 0
    for match in _DOMAIN.finditer(plain):
        domain = match[1].rstrip(".-_")
        name, dot, top = domain.rpartition(".")
        if not (dot and name and len(top) > 1 and (top.isalpha() or top.startswith("xn--"))):
            continue
        at_sign = match.start()
        before = plain[max(previous, at_sign - _LOCAL_LONGEST) : at_sign]
        local = before[len(before.rstrip(_LOCAL_CHARS)) :].lstrip("'.-")
        if local and local.lower() not in _SERVICE_LOCALS:
            previous = match.start(1) + len(domain)
            yield at("email", (at_sign - len(local), previous))


def _hardware(plain: str) -> Iterator[PiiSpan]:
    for mark, rest in _MAC_RESTS:
        if plain.count(mark) > 4:
            yield from _macs(plain, rest)
    if "::" in plain or plain.count(":") > 6:
        for match in _HEX_STRETCH.finditer(plain):
            if _is_ipv6(plain, match):
                yield at("ip_address", match.span())


def _macs(plain: str, rest: re.Pattern[str]) -> Iterator[PiiSpan]:
    for match in rest.finditer(plain):
        head = _MAC_HEAD.search(plain, max(0, match.start() - 3), match.start())
        if head:
            yield at("mac_address", (head.start(), match.end()))


def _is_ipv6(plain: str, match: re.Match[str]) -> bool:
    found, start, end = match[0], match.start(), match.end()
    if len(found) > _IPV6_LONGEST or found.count(":") < 2 or not any(char.isdigit() for char in found):
        return False
    if (start and plain[start - 1].isalnum()) or (end < len(plain) and plain[end].isalnum()):
        return False
    # `a1::b2` is also how programs name things; an address has a group of three or more.
    if max(map(len, found.split(":"))) < 3:
        return False
    try:
        address = IPv6Address(found)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified)


def _hosts(reading: Reading) -> Iterator[PiiSpan]:
    plain = reading.plain
    for match in _IPV4_REST.finditer(plain):
        head = _IPV4_HEAD.search(plain, max(0, match.start() - 4), match.start())
        if head and _is_ipv4(reading.lower, head.start(), match.end()):
            yield at("ip_address", (head.start(), match.end()))


def _pairs(reading: Reading) -> Iterator[PiiSpan]:
    plain = reading.plain
    for rest in _PAIR_REST.finditer(plain):
        whole = _WHOLE.search(plain, max(0, rest.start() - 5), rest.start())
        if whole and _is_place(reading, whole.start(), rest):
            yield at("geo_coordinates", (whole.start(), rest.end()))


def _labelled(lower: str) -> Iterator[PiiSpan]:
    for match in _LABELLED.finditer(lower):
        if _on_globe(match[1], match[2]):
            yield at("geo_coordinates", match.span())


def _is_ipv4(lower: str, start: int, end: int) -> bool:
    """Octets in range, not a version number, not loopback, unspecified or a netmask."""
    octets = lower[start:end].split(".")
    if any(int(octet) > 255 or (len(octet) > 1 and octet[0] == "0") for octet in octets):
        return False
    if octets[0] in ("0", "127", "255"):
        return False
    return not _VERSION_CUE.search(lower, max(0, start - _CUE_CHARS), start)


def _is_place(reading: Reading, start: int, rest: re.Match[str]) -> bool:
    """A pair in range that a cue, compass letters, or four decimals outside of a list of numbers speak for."""
    plain, end = reading.plain, rest.end()
    first = _LATITUDE.match(plain, start)
    if first is None or not _on_globe(first[0], rest[2]):
        return False
    if rest[1] and rest[3]:
        return True
    if _PLACE_CUE.search(reading.lower, max(0, start - _PLACE_CUE_CHARS), start):
        return True
    precise = all(len(number.partition(".")[2]) >= _PRECISE_DECIMALS for number in (first[0], rest[2]))
    listed = _LIST_AROUND.search(plain, max(0, start - 3), start) or plain[end : end + 1] == ","
    return precise and not listed and min(abs(float(first[0])), abs(float(rest[2]))) > 1.0


def _on_globe(latitude: str, longitude: str) -> bool:
    return abs(float(latitude)) <= 90 and abs(float(longitude)) <= 180
