"""Keys and passwords that someone pasted along with the question.

Published key formats are found by their literal prefix; anything else only where the text itself calls it a
password, token or key and the value does not look like prose or a placeholder.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from router_core.signals import triggers
from router_core.signals.reading import Reading
from router_core.signals.spans import PiiSpan, at

_START: Final = r"(?<![A-Za-z0-9_\-])"
_END: Final = r"(?![A-Za-z0-9])"


def _key(pattern: str) -> re.Pattern[str]:
    return re.compile(_START + pattern + _END)


_FORMATS: Final = (
    ("AKIA", "api_key", _key("AKIA[0-9A-Z]{16}")),
    ("ASIA", "api_key", _key("ASIA[0-9A-Z]{16}")),
    ("AIza", "api_key", _key(r"AIza[0-9A-Za-z_\-]{35}")),
    ("eyJ", "jwt", _key(r"eyJ[A-Za-z0-9_\-]{8,}+\.[A-Za-z0-9_\-]{8,}+\.[A-Za-z0-9_\-]{8,}+")),
)
_DASHED: Final = (
    ("sk-", "api_key", _key(r"sk-(?=[A-Za-z_\-]{0,64}+[0-9])[A-Za-z0-9_\-]{20,}+")),
    ("glpat-", "api_key", _key(r"glpat-[A-Za-z0-9_\-]{20,}+")),
    ("xox", "api_key", _key(r"xox[abeoprs]-[A-Za-z0-9\-]{10,}+")),
)
_UNDERSCORED: Final = (
    ("gh", "api_key", _key("gh[oprsu]_[A-Za-z0-9]{36,}+")),
    ("github_pat_", "api_key", _key("github_pat_[A-Za-z0-9_]{22,}+")),
    ("k_live_", "api_key", _key("[rs]k_live_[A-Za-z0-9]{16,}+")),
    ("k_test_", "api_key", _key("[rs]k_test_[A-Za-z0-9]{16,}+")),
    ("hf_", "api_key", _key("hf_[A-Za-z0-9]{30,}+")),
    ("npm_", "api_key", _key("npm_[A-Za-z0-9]{36,}+")),
)

_KEY_HEADER: Final = re.compile(r"-----BEGIN (?:[A-Z0-9]{2,12} ){0,2}PRIVATE KEY(?: BLOCK)?-----")
_KEY_FOOTER: Final = re.compile(r"-----END (?:[A-Z0-9]{2,12} ){0,2}PRIVATE KEY(?: BLOCK)?-----")

_ASSIGNED: Final = re.compile(
    r"(?:password|passwd|passphrase|passwort|passcode|pwd|contraseña|secret|token|(?:api|access|account|secret)[_ \-]?key)"
    r"[\"']?\s{0,3}(?:is|:=|=>|[:=])\s{0,3}[\"']?([^\s\"'<>,;]{6,128}+)"
)
_PLACEHOLDER: Final = re.compile(r"[${\[(*x]|os\.|env|process\.|your|example|changeme|none\b|null\b|https?:")


def find_secrets(reading: Reading) -> Iterator[PiiSpan]:
    """API keys, private keys, JSON web tokens and assigned passwords."""
    plain = reading.plain
    for literal, kind, pattern in _formats(plain):
        if literal in plain:
            for match in pattern.finditer(plain):
                yield at(kind, match.span())
    if "-----" in plain:
        yield from _private_keys(plain)
    if not reading.hits.isdisjoint(triggers.SECRET):
        yield from _assigned(reading.lower)


def _formats(plain: str) -> tuple[tuple[str, str, re.Pattern[str]], ...]:
    """The formats whose separator occurs in the text."""
    dashed = _DASHED if "-" in plain else ()
    return (*_FORMATS, *dashed, *_UNDERSCORED) if "_" in plain else (*_FORMATS, *dashed)


def _private_keys(plain: str) -> Iterator[PiiSpan]:
    """From header to footer; without a footer, to the end of the text, since the key may have been cut off."""
    position = 0
    while header := _KEY_HEADER.search(plain, position):
        footer = _KEY_FOOTER.search(plain, header.end())
        position = footer.end() if footer else len(plain)
        yield at("private_key", (header.start(), position))


def _assigned(lower: str) -> Iterator[PiiSpan]:
    for match in _ASSIGNED.finditer(lower):
        value = match[1].rstrip(".)!?")
        # A digit tells a secret from a word: "the password is required".
        if len(value) > 5 and not _PLACEHOLDER.match(value) and any(map(str.isdigit, value)):
            yield at("password", (match.start(1), match.start(1) + len(value)))
