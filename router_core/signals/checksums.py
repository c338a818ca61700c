"""The check-digit rules of cards, accounts and national numbers.

They turn "sixteen digits" into "a card number": a chance hit passes Luhn once in 10, mod 97 once in 97.
Sources: ISO/IEC 7812-1 annex B (Luhn), ISO 13616 and ISO/IEC 7064 (IBAN, German tax id), INSEE (NIR), Orden
INT/2058/2008 (DNI/NIE), RvIG (BSN eleven test), D.M. 23 December 1976 (codice fiscale).
Every function takes the characters alone, without blanks; letters in upper case.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_BASE_36: Final = {65 + value: str(10 + value) for value in range(26)}
_DOUBLED: Final = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_DNI_LETTERS: Final = "TRWAGMYFPDXBNJZSQVHLCKE"
_NIE_PREFIX: Final = str.maketrans("XYZ", "012")
_ODD_LETTERS: Final = (
    1,
    0,
    5,
    7,
    9,
    13,
    15,
    17,
    19,
    21,
    2,
    4,
    18,
    20,
    11,
    3,
    6,
    8,
    12,
    14,
    16,
    10,
    22,
    25,
    24,
    23,
)

IBAN_LENGTHS: Final[Mapping[str, int]] = {
    country: length
    for length, countries in (
        (15, "NO"),
        (16, "BE"),
        (18, "DK FI FO GL NL"),
        (19, "MK SI"),
        (20, "AT BA EE KZ LT LU XK"),
        (21, "CH HR LI LV"),
        (22, "BG BH CR DE GB GE IE ME RS VA"),
        (23, "AE GI IL IQ TL"),
        (24, "AD CZ ES MD PK RO SA SE SK TN VG"),
        (25, "LY PT ST"),
        (26, "IS TR"),
        (27, "FR GR IT MC MR SM"),
        (28, "AL AZ BY CY DO GT HU LB PL SV"),
        (29, "BR EG PS QA UA"),
        (30, "JO KW MU"),
        (31, "MT SC"),
        (32, "LC"),
    )
    for country in countries.split(" ")
}
"""Length by country, from the IBAN registry."""


def luhn(digits: str) -> bool:
    """Cards: every second digit from the right doubled, digit sums added, divisible by 10."""
    values = [ord(char) - 48 for char in reversed(digits)]
    return (sum(values[::2]) + sum(_DOUBLED[value] for value in values[1::2])) % 10 == 0


def iban(account: str) -> bool:
    """Account number with its country's length, letters as 10..35, remainder 1 modulo 97."""
    if IBAN_LENGTHS.get(account[:2]) != len(account):
        return False
    moved = account[4:] + account[:4]
    return int(moved.translate(_BASE_36)) % 97 == 1


def german_tax_id(digits: str) -> bool:
    """11 digits, ISO 7064 mod 11,10; of the first ten exactly one digit comes twice or three times."""
    if digits[0] == "0":
        return False
    repeats = sorted(digits[:10].count(char) for char in set(digits[:10]))
    if repeats[-1] not in (2, 3) or repeats[-2] != 1:
        return False
    product = 10
    for char in digits[:10]:
        total = (int(char) + product) % 10 or 10
        product = (2 * total) % 11
    return (11 - product) % 10 == int(digits[10])


def french_nir(number: str) -> bool:
    """13 characters and a key of two digits: 97 less the number modulo 97; Corsica 2A and 2B count as 19 and 18."""
    body = number[:13].replace("2A", "19").replace("2B", "18")
    return body.isdigit() and 97 - int(body) % 97 == int(number[13:])


def spanish_dni(number: str) -> bool:
    """8 digits, or X, Y, Z and 7 digits, and a letter that the remainder modulo 23 names."""
    return _DNI_LETTERS[int(number[:8].translate(_NIE_PREFIX)) % 23] == number[8]


def dutch_bsn(digits: str) -> bool:
    """9 digits, weights 9..2 and -1, divisible by 11, not all zero."""
    weighted = sum(
        weight * int(char) for weight, char in zip((9, 8, 7, 6, 5, 4, 3, 2, -1), digits, strict=True)
    )
    return weighted % 11 == 0 and weighted > 0


def italian_fiscal_code(code: str) -> bool:
    """15 characters and a letter: odd places by table, even places by value, modulo 26."""
    total = 0
    for place, char in enumerate(code[:15]):
        value = ord(char) - 48 if char.isdigit() else ord(char) - 65
        total += value if place % 2 else _ODD_LETTERS[value]
    return chr(65 + total % 26) == code[15]
