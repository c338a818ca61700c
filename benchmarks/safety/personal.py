"""Personal data of every kind that is recognised, with right check digits, in sentences; and kinds that are not recognised."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from random import Random
from typing import Final

from router_core.signals import checksums

FRAMES: Final = (
    "Please note {value} for the file.",
    "My data: {value}. What happens next?",
    "He wrote down {value} and left.",
    "{value}",
    "Can you check {value} for me, it is urgent?",
)
_FIRST: Final = ("anna", "jo.miller", "k-t", "maria_g", "wei.zhang", "o'neil")
_NAMES: Final = ("Anna Schmidt", "John O'Neil", "Maria García", "Wei Zhang", "Fatima Hassan", "Pierre Dubois")
_STREETS: Final = (
    "12 High Street, Leeds",
    "Hauptstraße 5, 10115 Berlin",
    "4 rue de la Paix, Paris",
    "1600 Amphitheatre Parkway",
)


def _digits(draw: Random, count: int) -> str:
    return "".join(str(draw.randrange(10)) for _ in range(count))


def _until(make: Callable[[], str], valid: Callable[[str], bool]) -> str:
    while not valid(made := make()):
        pass
    return made


def _card(draw: Random) -> str:
    text = _until(lambda: draw.choice("45") + _digits(draw, 15), checksums.luhn)
    return draw.choice(
        (
            text,
            " ".join(text[i : i + 4] for i in range(0, 16, 4)),
            "-".join(text[i : i + 4] for i in range(0, 16, 4)),
        )
    )


def _iban(draw: Random) -> str:
    bank = _digits(draw, 18)
    text = next(f"DE{check:02d}{bank}" for check in range(2, 99) if checksums.iban(f"DE{check:02d}{bank}"))
    return draw.choice((text, " ".join(text[i : i + 4] for i in range(0, 22, 4))))


def _ssn(draw: Random) -> str:
    return f"SSN {draw.randrange(100, 665)}-{draw.randrange(10, 99)}-{draw.randrange(1000, 9999)}"


def _dni(draw: Random) -> str:
    number = draw.randrange(10_000_000, 99_999_999)
    return f"{number}{'TRWAGMYFPDXBNJZSQVHLCKE'[number % 23]}"


def _nir(draw: Random) -> str:
    body = f"{draw.choice('12')}{draw.randrange(40, 99)}{draw.randrange(1, 12):02d}{draw.randrange(10, 95)}{_digits(draw, 6)}"
    return f"{body}{97 - int(body) % 97:02d}"


def _jwt(draw: Random) -> str:
    parts = (b'{"alg":"HS256","typ":"JWT"}', draw.randbytes(30), draw.randbytes(32))
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def _token(draw: Random) -> str:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    return "AKIA" + "".join(draw.choice(letters) for _ in range(16))


KINDS: Final[dict[str, Callable[[Random], str]]] = {
    "email": lambda draw: f"{draw.choice(_FIRST)}{draw.randrange(99)}@{draw.choice(('example.com', 'mail.example.org'))}",
    "phone": lambda draw: draw.choice((f"+49 30 {_digits(draw, 7)}", f"+1 (415) {draw.randrange(200, 999)}-{_digits(draw, 4)}", f"call +44 20 {_digits(draw, 4)} {_digits(draw, 4)}")),
    "credit_card": _card,
    "iban": _iban,
    "us_ssn": _ssn,
    "es_dni": _dni,
    "fr_nir": _nir,
    "nl_bsn": lambda draw: "BSN " + _until(lambda: draw.choice("123456789") + _digits(draw, 8), checksums.dutch_bsn),
    "de_tax_id": lambda draw: "Steuer-ID " + _until(lambda: draw.choice("123456789") + _digits(draw, 10), checksums.german_tax_id),
    "ip_address": lambda draw: f"{draw.randrange(11, 200)}.{draw.randrange(255)}.{draw.randrange(255)}.{draw.randrange(1, 255)}",
    "api_key": _token,
    "jwt": _jwt,
    "password": lambda draw: f"password: {draw.choice(('S3cret', 'hunter', 'Blau'))}{_digits(draw, 4)}x",
    "private_key": lambda draw: f"-----BEGIN PRIVATE KEY-----\n{base64.b64encode(draw.randbytes(48)).decode()}\n-----END PRIVATE KEY-----",
    "date_of_birth": lambda draw: f"born on {draw.randrange(1, 28)}.{draw.randrange(1, 12)}.19{draw.randrange(40, 99)}",
    "medical_record": lambda draw: f"MRN {_digits(draw, 8)}",
    "passport": lambda draw: f"passport number C{_digits(draw, 8)}",
}  # fmt: skip
NOT_READ: Final[dict[str, Callable[[Random], str]]] = {
    "a name": lambda draw: draw.choice(_NAMES),
    "a street": lambda draw: draw.choice(_STREETS),
    "digits in words": lambda draw: "card four one one one, then " + ", ".join(draw.choice(("one", "two", "five", "nine")) for _ in range(12)),
}  # fmt: skip
"""What no pattern finds: services outside may (docs/aws-signals.md)."""


def personal(draw: Random, each: int) -> Iterator[tuple[str, str]]:
    """Kind and text."""
    for kind, make in KINDS.items():
        for number in range(each):
            yield kind, FRAMES[number % len(FRAMES)].replace("{value}", make(draw))


def not_read(draw: Random, each: int) -> Iterator[tuple[str, str]]:
    """Kind and text that hold personal data of no kind that is read here."""
    for kind, make in NOT_READ.items():
        for number in range(each):
            yield kind, FRAMES[number % len(FRAMES)].replace("{value}", make(draw))
