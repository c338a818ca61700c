"""What in a text is personal or secret, and the privacy level that this alone calls for.

The level decides which tiers may see the text, so the scan reads all of it, always, and each kind with a
check digit is reported only if the digit is right. Finding nothing proves nothing: names and free-text facts
are not recognised here, and a caller's own `privacy.level` always stands. Names, postal addresses and what else only a
service recognises have their kinds in the same table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from router_core.signals import pii_codes, pii_cued, pii_numbers
from router_core.signals.pii_addresses import find_addresses
from router_core.signals.pii_secrets import find_secrets
from router_core.signals.reading import DIGIT, Reading, read
from router_core.signals.spans import PiiSpan, kinds_of, settle

__all__ = ["LEVELS", "LEVEL_OF_KIND", "PiiSpan", "kinds_of", "level_for", "level_for_kinds", "pii_in", "scan"]

LEVELS: Final = ("public", "internal", "confidential", "restricted")

LEVEL_OF_KIND: Final[Mapping[str, str]] = {
    "ip_address": "internal",
    "mac_address": "internal",
    "email": "internal",
    "phone": "internal",
    "geo_coordinates": "internal",
    "name": "internal",
    "address": "internal",
    "username": "internal",
    "vehicle": "internal",
    "driver_license": "confidential",
    "bank_account": "confidential",
    "national_id": "confidential",
    "date_of_birth": "confidential",
    "credit_card": "confidential",
    "iban": "confidential",
    "us_ssn": "confidential",
    "de_tax_id": "confidential",
    "uk_nino": "confidential",
    "es_dni": "confidential",
    "fr_nir": "confidential",
    "nl_bsn": "confidential",
    "it_codice_fiscale": "confidential",
    "passport": "confidential",
    "api_key": "confidential",
    "jwt": "confidential",
    "password": "confidential",
    "private_key": "restricted",
    "medical_record": "restricted",
}
"""The level each kind calls for by itself. What reaches a person or a device is not public, yet stands in ordinary
questions; what identifies or pays for a person is confidential; a medical record number and a private key stay near."""

FOUND_BY_SERVICES: Final = frozenset(
    {"name", "address", "username", "vehicle", "driver_license", "bank_account", "national_id"}
)
"""Kinds that no pattern here finds."""

IDENTIFYING: Final = frozenset(
    {
        "email",
        "phone",
        "name",
        "address",
        "driver_license",
        "bank_account",
        "national_id",
        "date_of_birth",
        "us_ssn",
        "de_tax_id",
        "uk_nino",
        "es_dni",
        "fr_nir",
        "nl_bsn",
        "it_codice_fiscale",
        "passport",
        "medical_record",
        "credit_card",
        "iban",
    }
)
"""Kinds that tell who a person is: together with health wording the text is restricted."""


def scan(text: str) -> tuple[PiiSpan, ...]:
    """Personal data and secrets in `text`: ordered, disjoint spans within its bounds. Linear in its length."""
    return pii_in(read(text))


def pii_in(reading: Reading) -> tuple[PiiSpan, ...]:
    """As `scan`, for a text that is already prepared."""
    digits = reading.shape.count(DIGIT)
    found = [*find_secrets(reading), *find_addresses(reading, digits)]
    if digits >= pii_cued.MIN_DIGITS:
        found.extend(pii_cued.find_cued(reading))
        if digits >= pii_codes.MIN_DIGITS:
            found.extend(pii_codes.find_codes(reading))
        if digits >= pii_numbers.MIN_DIGITS:
            found.extend(pii_numbers.find_numbers(reading))
    return settle(found)


def level_for(spans: Iterable[PiiSpan], *, health: bool = False) -> str:
    """The privacy level the text itself calls for; the caller's level may only raise it."""
    return level_for_kinds(kinds_of(spans), health=health)


def level_for_kinds(kinds: Iterable[str], *, health: bool = False) -> str:
    """As `level_for`, from the kinds alone. Health wording alone is internal; with an identity, restricted."""
    found = frozenset(kinds)
    if health and not found.isdisjoint(IDENTIFYING):
        return "restricted"
    ranks = [LEVELS.index(LEVEL_OF_KIND[kind]) for kind in found]
    return LEVELS[max([*ranks, 1 if health else 0])]
