"""Made-up personal data, so that the tagger learns its forms and no real person's data is needed."""

import random
from collections.abc import Callable, Sequence
from typing import Final

KINDS: Final = ("PERSON", "ADDRESS", "PHONE", "EMAIL", "IDNUMBER", "BIRTHDATE")
_FIRST: Final = (
    "anna", "peter", "sarah", "john", "maria", "ahmed", "li", "tom", "julia", "kate", "carlos", "nina", "oscar", "priya", "yuki",
    "michael", "david", "emma", "lisa", "paul", "laura", "alex", "james", "robert", "linda", "susan", "daniel", "jessica",
    "olga", "ivan", "fatima", "hassan", "chen", "mei", "raj", "anita", "jose", "pedro", "sofia", "lucas", "hannah", "george",
)  # fmt: skip
_LAST: Final = (
    "smith", "miller", "jones", "brown", "meyer", "schmidt", "garcia", "lopez", "rossi", "novak", "kowalski", "larsson", "dubois",
    "tanaka", "kim", "nguyen", "patel", "singh", "khan", "silva", "ivanov", "okafor", "murphy", "walker", "wright", "taylor",
    "johnson", "williams", "davis", "wilson", "moore", "clark", "lewis", "hall", "young", "hill", "green", "baker", "carter",
)  # fmt: skip
_STREETS: Final = (
    "main street", "oak avenue", "elm road", "park lane", "church street", "station road", "high street", "maple drive", "lake view",
    "king street", "mill lane", "river road", "garden way", "sunset boulevard", "hill street", "5th avenue", "baker street",
)  # fmt: skip
_CITIES: Final = (
    "berlin",
    "london",
    "paris",
    "chicago",
    "dublin",
    "madrid",
    "vienna",
    "boston",
    "leeds",
    "oslo",
    "rome",
    "austin",
)
_MONTHS: Final = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_HOSTS: Final = ("example.com", "mail.org", "gmail.com", "firma.de", "post.net", "work.io", "uni.edu")
Word = Callable[[], str]


def made(rng: random.Random, kind: str, word: Word) -> str:
    """``word`` gives any word, so that unlisted names and streets are marked, too."""
    text = _MAKERS[kind](rng, word)
    return text.title() if kind in {"PERSON", "ADDRESS"} and rng.random() < 0.5 else text


def _pick(rng: random.Random, listed: Sequence[str], word: Word) -> str:
    return word() if rng.random() < 0.3 else rng.choice(listed)


def _person(rng: random.Random, word: Word) -> str:
    title = rng.choice(("", "", "", "mr ", "mrs ", "dr ", "ms "))
    middle = f"{rng.choice(_FIRST)} " if rng.random() < 0.15 else ""
    return f"{title}{rng.choice(_FIRST)} {middle}{_pick(rng, _LAST, word)}"


def _address(rng: random.Random, word: Word) -> str:
    street = _pick(
        rng, _STREETS, lambda: f"{word()} {rng.choice(('street', 'road', 'avenue', 'lane', 'drive', 'way'))}"
    )
    number = rng.randint(1, 300)
    front = f"{number} {street}" if rng.random() < 0.7 else f"{street} {number}"
    zip_code = f" {rng.randint(10_000, 99_999)}" if rng.random() < 0.4 else ""
    return front + rng.choice(
        ("", f", {rng.choice(_CITIES)}", f" in {rng.choice(_CITIES)}", f",{zip_code} {rng.choice(_CITIES)}")
    )


def _digits(rng: random.Random, count: int) -> str:
    return "".join(str(rng.randint(0, 9)) for _ in range(count))


def _phone(rng: random.Random, word: Word) -> str:
    forms = (
        f"+{rng.randint(1, 99)} {_digits(rng, 3)} {_digits(rng, 7)}",
        f"({_digits(rng, 3)}) {_digits(rng, 3)}-{_digits(rng, 4)}",
        f"{_digits(rng, 3)}-{_digits(rng, 3)}-{_digits(rng, 4)}",
        f"0{_digits(rng, 4)} {_digits(rng, 6)}",
        " ".join(_digits(rng, 3)) + " " + " ".join(_digits(rng, 4)),
    )
    return rng.choice(forms)


def _email(rng: random.Random, word: Word) -> str:
    name = rng.choice(
        (
            rng.choice(_FIRST),
            f"{rng.choice(_FIRST)}.{_pick(rng, _LAST, word)}",
            f"{word()}{rng.randint(1, 99)}",
        )
    )
    return f"{name}@{rng.choice(_HOSTS)}"


def _id_number(rng: random.Random, word: Word) -> str:
    forms = (
        " ".join(_digits(rng, 4) for _ in range(4)), f"{_digits(rng, 3)}-{_digits(rng, 2)}-{_digits(rng, 4)}", _digits(rng, 9),
        f"{rng.choice('CDLXP')}{_digits(rng, 8)}", f"DE{_digits(rng, 20)}", _digits(rng, 12), f"{_digits(rng, 2)} {_digits(rng, 6)} {rng.choice('AKM')}",
    )  # fmt: skip
    return rng.choice(forms)


def _birthdate(rng: random.Random, word: Word) -> str:
    day, month, year = rng.randint(1, 28), rng.randint(1, 12), rng.randint(1930, 2015)
    name = _MONTHS[month - 1]
    return rng.choice(
        (
            f"{day}.{month}.{year}",
            f"{month}/{day}/{year}",
            f"{name} {day} {year}",
            f"{day} {name} {year}",
            f"{year}-{month:02d}-{day:02d}",
        )
    )


_MAKERS: Final[dict[str, Callable[[random.Random, Word], str]]] = {
    "PERSON": _person, "ADDRESS": _address, "PHONE": _phone, "EMAIL": _email, "IDNUMBER": _id_number, "BIRTHDATE": _birthdate,
}  # fmt: skip
