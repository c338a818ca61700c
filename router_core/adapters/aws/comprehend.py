"""What Amazon Comprehend says of a text: kinds of personal data, names and addresses above all, which no pattern of ours
can see, and whether the writer is upset.

Decides which of Comprehend's types counts as which kind of ours. Its PII model reads English and Spanish; in its other
languages the entities are asked for, of which only a person is personal data by itself. Times, web addresses, ages and the
like are left out: they stand in ordinary questions, and a level raised by them would keep those from the cloud.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, cast

from router_core.adapters.aws.client import COMMON_FAULTS, AwsThreads, Faults, store_errors
from router_core.errors import NotTakenError, StoreError
from router_core.ports import Remarks

if TYPE_CHECKING:
    from types_boto3_comprehend import ComprehendClient
    from types_boto3_comprehend.literals import LanguageCodeType

MAX_BYTES: Final = 100_000
"""Longest text of one synchronous call; a longer one is not sent in parts, it is not sent."""
MAX_MOOD_BYTES: Final = 5_000
"""Longest text whose sentiment is told; of a longer turn it is not asked."""
MIN_SCORE: Final = 0.8
"""Confidence from which a finding counts: it costs the caller the cloud, so a guess does not do."""
PII_LANGUAGES: Final = frozenset({"en", "es"})
ENTITY_LANGUAGES: Final = frozenset({"de", "fr", "it", "pt", "ar", "hi", "ja", "ko", "zh"})
WORKERS: Final = 8
WAITING: Final = 32
KINDS: Final[Mapping[str, str]] = {
    "NAME": "name",
    "ADDRESS": "address",
    "EMAIL": "email",
    "PHONE": "phone",
    "USERNAME": "username",
    "PASSWORD": "password",
    "PIN": "password",
    "AWS_ACCESS_KEY": "api_key",
    "AWS_SECRET_KEY": "api_key",
    "IP_ADDRESS": "ip_address",
    "MAC_ADDRESS": "mac_address",
    "LICENSE_PLATE": "vehicle",
    "VEHICLE_IDENTIFICATION_NUMBER": "vehicle",
    "DRIVER_ID": "driver_license",
    "PASSPORT_NUMBER": "passport",
    "BANK_ACCOUNT_NUMBER": "bank_account",
    "INTERNATIONAL_BANK_ACCOUNT_NUMBER": "iban",
    "CREDIT_DEBIT_NUMBER": "credit_card",
    "CREDIT_DEBIT_CVV": "credit_card",
    "SSN": "us_ssn",
    "UK_NATIONAL_INSURANCE_NUMBER": "uk_nino",
    "CA_SOCIAL_INSURANCE_NUMBER": "national_id",
    "US_INDIVIDUAL_TAX_IDENTIFICATION_NUMBER": "national_id",
    "UK_UNIQUE_TAXPAYER_REFERENCE_NUMBER": "national_id",
    "IN_PERMANENT_ACCOUNT_NUMBER": "national_id",
    "IN_NREGA": "national_id",
    "IN_AADHAAR": "national_id",
    "IN_VOTER_NUMBER": "national_id",
    "UK_NATIONAL_HEALTH_SERVICE_NUMBER": "medical_record",
    "CA_HEALTH_NUMBER": "medical_record",
}
UNCOUNTED: Final = frozenset(
    {"ALL", "DATE_TIME", "URL", "AGE", "BANK_ROUTING", "SWIFT_CODE", "CREDIT_DEBIT_EXPIRY"}
)
"""Types that tell nothing of a person by themselves."""
PERSON: Final = "PERSON"
FAULTS: Final[Faults] = {
    **COMMON_FAULTS,
    "InvalidRequestException": (NotTakenError, "does not accept such a request"),
    "ResourceUnavailableException": (StoreError, "is not available"),
    "TextSizeLimitExceededException": (NotTakenError, "does not take so long a text"),
    "UnsupportedLanguageException": (NotTakenError, "does not read this language"),
    "InternalServerException": (StoreError, "failed by itself"),
    "TooManyRequestsException": (StoreError, "is throttled"),
}


class ComprehendScan:
    """`TextScan` by one call per question, one after the other on one thread."""

    def __init__(self, client: ComprehendClient, *, threads: AwsThreads | None = None) -> None:
        self._client = client
        self._threads = threads or AwsThreads(workers=WORKERS, waiting=WAITING)

    async def remarks(self, text: str, language: str, last: str | None = None) -> Remarks:
        """A language that nobody recognised is read as English."""
        code = "en" if language == "und" else language
        if code not in PII_LANGUAGES and code not in ENTITY_LANGUAGES:
            raise NotTakenError("Comprehend does not read this language")
        whole, turn = _whole(text), _whole(last or "")
        if len(whole.encode()) > MAX_BYTES:
            raise NotTakenError("Comprehend does not take so long a text")
        mood = turn if turn.strip() and len(turn.encode()) <= MAX_MOOD_BYTES else None
        return await self._threads.run(self._remarks, whole, code, mood)

    async def close(self) -> None:
        """Wait for calls that run."""
        await self._threads.close()

    def _remarks(self, text: str, code: str, mood: str | None) -> Remarks:
        kinds = tuple(sorted(self._kinds(text, code)))
        return Remarks(kinds=kinds, upset=None if mood is None else self._upset(mood, code))

    def _upset(self, text: str, code: str) -> float:
        with store_errors("Comprehend", FAULTS):
            answer = self._client.detect_sentiment(Text=text, LanguageCode=cast("LanguageCodeType", code))
        return min(1.0, max(0.0, answer["SentimentScore"].get("Negative", 0.0)))

    def _kinds(self, text: str, code: str) -> set[str]:
        language = cast("LanguageCodeType", code)
        with store_errors("Comprehend", FAULTS):
            if code in PII_LANGUAGES:
                answer = self._client.detect_pii_entities(Text=text, LanguageCode=language)
                return {KINDS[kind] for kind in _sure(answer.get("Entities", ())) if kind in KINDS}
            entities = self._client.detect_entities(Text=text, LanguageCode=language).get("Entities", ())
            return {"name"} if PERSON in _sure(entities) else set()


def _whole(text: str) -> str:
    """Without halves of characters, which no service takes."""
    return text[: MAX_BYTES + 1].encode("utf-8", "replace").decode()


def _sure(entities: object) -> set[str]:
    """Types of the findings that are sure enough; one of a type that is newer than this table is passed over."""
    rows = cast("list[Mapping[str, object]]", entities)
    return {str(row.get("Type")) for row in rows if cast("float", row.get("Score", 0.0)) >= MIN_SCORE}
