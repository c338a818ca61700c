"""Every kind of personal data: what is found, and what looks like it and must not be."""

import pytest

from router_core.signals import PiiSpan, scan
from router_core.signals.sensitivity import FOUND_BY_SERVICES, LEVEL_OF_KIND

_PEM = "-----BEGIN RSA PRIVATE " + "KEY-----\nMIIEow\n-----END RSA PRIVATE " + "KEY-----"

FOUND = [
    ("email", "write to bob.miller+x@mail.example.co.uk.", "bob.miller+x@mail.example.co.uk"),
    ("email", "<anna@example.com>", "anna@example.com"),
    ("phone", "call +1 (415) 555-0132 now", "+1 (415) 555-0132"),
    ("phone", "ring (415) 555-0132", "(415) 555-0132"),
    ("phone", "415-555-0132 is mine", "415-555-0132"),
    ("phone", "Büro: 030 1234567", "030 1234567"),
    ("phone", "au 06 12 34 56 78 svp", "06 12 34 56 78"),
    ("phone", "my mobile is 612 345 678", "612 345 678"),
    ("phone", "0049 30 1234567", "0049 30 1234567"),
    ("credit_card", "card 4111 1111 1111 1111 exp 12/27", "4111 1111 1111 1111"),
    ("credit_card", "378282246310005", "378282246310005"),
    ("credit_card", "3782-822463-10005", "3782-822463-10005"),
    ("credit_card", "card:5555-5555-5555-4444.", "5555-5555-5555-4444"),
    ("credit_card", "4111\u20111111\u20111111\u20111111", "4111\u20111111\u20111111\u20111111"),
    ("credit_card", "４１１１ １１１１ １１１１ １１１１", "４１１１ １１１１ １１１１ １１１１"),
    ("iban", "DE89 3704 0044 0532 0130 00 please", "DE89 3704 0044 0532 0130 00"),
    ("iban", "to GB82WEST12345698765432.", "GB82WEST12345698765432"),
    ("iban", "nl91 abna 0417 1643 00", "nl91 abna 0417 1643 00"),
    ("us_ssn", "her SSN 536-90-4399", "536-90-4399"),
    ("us_ssn", "ssn: 536904399", "536904399"),
    ("de_tax_id", "Steuer-ID 86095742719", "86095742719"),
    ("de_tax_id", "65 929 970 489", "65 929 970 489"),
    ("uk_nino", "NI number AB123456C", "AB123456C"),
    ("uk_nino", "ab 12 34 56 c", "ab 12 34 56 c"),
    ("es_dni", "DNI 12345678Z", "12345678Z"),
    ("es_dni", "DNI 12345678-Z", "12345678-Z"),
    ("es_dni", "NIE X1234567L", "X1234567L"),
    ("es_dni", "NIE X-1234567-L", "X-1234567-L"),
    ("fr_nir", "2 55 08 14 168 025 38", "2 55 08 14 168 025 38"),
    ("fr_nir", "NIR 255081416802538", "255081416802538"),
    ("nl_bsn", "BSN: 111222333", "111222333"),
    ("it_codice_fiscale", "cf RSSMRA85T10A562S", "RSSMRA85T10A562S"),
    ("ip_address", "from 10.1.2.33, at noon", "10.1.2.33"),
    ("ip_address", "host 2001:db8::8a2e:370:7334 is up", "2001:db8::8a2e:370:7334"),
    ("mac_address", "mac 00:1A:2B:3C:4D:5E", "00:1A:2B:3C:4D:5E"),
    ("mac_address", "00-1a-2b-3c-4d-5e", "00-1a-2b-3c-4d-5e"),
    ("api_key", "key AKIA" + "IOSFODNN7EXAMPLE", "AKIA" + "IOSFODNN7EXAMPLE"),
    ("api_key", "use sk-" + "abcDEF0123456789abcdef01", "sk-" + "abcDEF0123456789abcdef01"),
    ("api_key", "ghp_" + "0123456789abcdefghij" * 2, "ghp_" + "0123456789abcdefghij" * 2),
    (
        "jwt",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcDEF123456",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcDEF123456",
    ),
    ("private_key", f"here {_PEM} ok", _PEM),
    ("password", "password: hunter2x!", "hunter2x"),
    ("password", "the token = abc123def456", "abc123def456"),
    ("date_of_birth", "born on 12 March 1990", "12 March 1990"),
    ("date_of_birth", "DOB: 03/12/1990", "03/12/1990"),
    ("date_of_birth", "Geburtsdatum: 12.03.1990", "12.03.1990"),
    ("date_of_birth", "née le 12 février 1990", "12 février 1990"),
    ("medical_record", "MRN: 00123456", "00123456"),
    ("medical_record", "patient id is A-123456", "A-123456"),
    ("passport", "passport no. C01X00T47", "C01X00T47"),
    ("passport", "Passport number: 123456789", "123456789"),
    ("geo_coordinates", "at 48.8566, 2.3522 today", "48.8566, 2.3522"),
    ("geo_coordinates", "48.857° N, 2.352° E", "48.857° N, 2.352° E"),
    ("geo_coordinates", '{"lat": 48.85, "lon": 2.35}', 'lat": 48.85, "lon": 2.35'),
]

NOT_FOUND = [
    "git clone git@github.com:foo/bar.git",
    "@app.route and foo@bar and package@1.2.3",
    "card 4111 1111 1111 1112",
    "order 1234567890123456",
    "timestamp 1700000000 and 1700000000000",
    "DE89 3704 0044 0532 0130 01",
    "GB82WEST12345698765433",
    "ZZ89 3704 0044 0532 0130 00",
    "ssn 000-12-3456, 666-12-3456, 900-12-3456, 123-00-4567, 123-45-0000",
    "the famous 219-09-9999 and 078-05-1120",
    "Steuer 86095742718 and 12345678901",
    "QQ123456C BG123456A AB123456E",
    "12345678A X1234567M",
    "2 55 08 14 168 025 39",
    "BSN: 111222334",
    "number 111222333 without a cue",
    "RSSMRA85T10A562X",
    "version 1.2.3.4, v10.2.3.4, 127.0.0.1, 255.255.255.0, 300.1.1.1, 1.2.3.4.5",
    "std::vector<int>::iterator a::b dead::beef::xyz ::1",
    "at 12:34:56 and 00:1A:2B:3C:4D",
    "AKIAshort sk-learn-is-a-library task-sk-abcdefghijklmnopqrstuvwx",
    "the password is required. token: string. secret: everything",
    'password = "${DB_PASSWORD1}" api_key = os.environ["KEY1"] token: <your-token-1>',
    "-----BEGIN PUBLIC KEY----- MIIE -----END PUBLIC KEY-----",
    "the meeting on 12/03/2024 at 10:30 with 15 people",
    "born in Rome",
    "a passport is needed to travel",
    "patient number 4",
    "weights [0.1234, 0.5678, 0.9012] and 3.14159, 2.71828, 1.41421",
    "pi is 3.141, e is 2.718",
    "On 2024-03-12 10.30.22 it rained 15,000 mm; see page 123-456.",
    "ISBN 978-3-16-148410-0",
    "1234567 1234567 items",
    "In 1990 and 2024, 3,500,000 people lived here (+12.5 %).",
]


@pytest.mark.parametrize(("kind", "text", "value"), FOUND)
def test_each_kind_is_found_exactly(kind: str, text: str, value: str) -> None:
    spans = scan(text)
    assert [(span.kind, text[span.start : span.end]) for span in spans] == [(kind, value)]


@pytest.mark.parametrize("text", NOT_FOUND)
def test_look_alikes_are_not_reported(text: str) -> None:
    assert scan(text) == ()


def test_every_kind_has_an_example_and_a_level() -> None:
    assert {kind for kind, _, _ in FOUND} == set(LEVEL_OF_KIND) - FOUND_BY_SERVICES


@pytest.mark.parametrize(("kind", "text", "value"), FOUND)
def test_kinds_are_found_at_the_end_of_a_long_text(kind: str, text: str, value: str) -> None:
    """Nothing is truncated: the same find behind 300,000 characters of prose."""
    prose = "The committee met to discuss the new library and its garden. " * 5000
    spans = scan(f"{prose}\n{text}")
    assert [span.kind for span in spans] == [kind]
    assert f"{prose}\n{text}"[spans[0].start : spans[0].end] == value


def test_a_wrong_check_digit_is_never_reported_for_checksum_kinds() -> None:
    """Every single-digit change of a valid card number breaks Luhn."""
    number = "4111111111111111"
    for place in range(1, len(number)):
        for digit in "0123456789":
            changed = number[:place] + digit + number[place + 1 :]
            reported = any(span.kind == "credit_card" for span in scan(f"n {changed} n"))
            assert reported == (changed == number)


def test_overlaps_keep_every_flagged_character() -> None:
    """An e-mail address inside a password is one span that covers both."""
    text = "password: bob7@example.com"
    spans = scan(text)
    assert [text[span.start : span.end] for span in spans] == ["bob7@example.com"]


def test_private_key_without_footer_reaches_to_the_end() -> None:
    text = "see -----BEGIN PRIVATE " + "KEY-----\nMIIEow and more"
    assert scan(text) == (PiiSpan(kind="private_key", start=4, end=len(text)),)
