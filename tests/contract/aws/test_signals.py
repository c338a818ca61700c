"""Comprehend and Textract: over moto where it answers, over a stand-in that knows botocore's shapes for the rest.

moto says the same of every text, has no DetectEntities, and reads no document.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from typing import Any

import botocore.session
import pytest

from gateway.hosts.composition import Parts
from gateway.hosts.stages import build
from router_core.adapters.aws import comprehend, textract
from router_core.adapters.aws.comprehend import ComprehendScan
from router_core.adapters.aws.textract import MAX_IMAGE_BYTES, MAX_IMAGES, TextractReader
from router_core.deployment import STAGE
from router_core.errors import NotTakenError, StoreError
from router_core.payload import to_json
from router_core.signals.sensitivity import LEVEL_OF_KIND
from tests.json_aws import ServiceError, StandIn, standing_in
from tests.localmoto import Clients, client, environment
from tests.unit.agents.house import ask

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(64)).decode()


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    with standing_in() as made:
        yield made


@pytest.fixture
async def scan(stand_in: StandIn) -> AsyncIterator[ComprehendScan]:
    with closing(client(stand_in.url, "comprehend")) as made:
        adapter = ComprehendScan(made)
        yield adapter
        await adapter.close()


@pytest.fixture
async def reader(stand_in: StandIn) -> AsyncIterator[TextractReader]:
    with closing(client(stand_in.url, "textract")) as made:
        adapter = TextractReader(made)
        yield adapter
        await adapter.close()


def entity(kind: str, score: float = 0.99) -> dict[str, Any]:
    return {"Type": kind, "Score": score, "BeginOffset": 0, "EndOffset": 4}


async def test_moto_says_what_it_says_of_every_text(aws: Clients) -> None:
    adapter = ComprehendScan(aws("comprehend"))
    found = await adapter.remarks("Call Jane Doe", "en", "Call Jane Doe")
    await adapter.close()
    assert found.kinds == ("bank_account", "email", "name")
    assert found.upset is not None
    assert found.upset < 0.01


async def test_moto_reads_no_document(aws: Clients) -> None:
    adapter = TextractReader(aws("textract"))
    assert await adapter.texts((PNG,)) == ("",)
    await adapter.close()


async def test_kinds_are_ours_and_only_those_that_are_sure(scan: ComprehendScan, stand_in: StandIn) -> None:
    rows = [entity("NAME"), entity("ADDRESS", 0.5), entity("DATE_TIME"), entity("SSN"), entity("NEWER")]
    stand_in.plays["DetectPiiEntities"] = lambda given: {"Entities": rows}
    assert (await scan.remarks("Jane Doe, 123-45-6789, tomorrow", "und")).kinds == ("name", "us_ssn")
    assert stand_in.asked("DetectPiiEntities")[0]["LanguageCode"] == "en"


async def test_in_its_other_languages_a_person_is_found_by_the_entities(
    scan: ComprehendScan, stand_in: StandIn
) -> None:
    rows = [entity("PERSON"), entity("LOCATION")]
    stand_in.plays["DetectEntities"] = lambda given: {
        "Entities": rows if "Erika" in given["Text"] else rows[1:]
    }
    assert (await scan.remarks("Erika Mustermann wohnt in Köln", "de")).kinds == ("name",)
    assert (await scan.remarks("Wie ist das Wetter in Köln", "de")).kinds == ()
    assert stand_in.asked("DetectPiiEntities") == []


@pytest.mark.parametrize(("text", "language"), [("cześć", "pl"), ("a" * 100_001, "en"), ("ä" * 60_000, "de")])
async def test_what_it_does_not_read_is_not_sent(
    scan: ComprehendScan, stand_in: StandIn, text: str, language: str
) -> None:
    with pytest.raises(NotTakenError):
        await scan.remarks(text, language)
    assert stand_in.raw == []


@pytest.mark.parametrize(
    ("last", "asked"), [("this is the third time!", 1), (" ", 0), ("ä" * 2_501, 0), (None, 0)]
)
async def test_the_mood_of_the_last_turn(
    scan: ComprehendScan, stand_in: StandIn, last: str | None, asked: int
) -> None:
    scores = {"Positive": 0.0, "Negative": 0.9, "Neutral": 0.1, "Mixed": 0.0}
    stand_in.plays["DetectPiiEntities"] = lambda given: {"Entities": []}
    stand_in.plays["DetectSentiment"] = lambda given: {"Sentiment": "NEGATIVE", "SentimentScore": scores}
    remarks = await scan.remarks("all of it", "en", last)
    assert [given["Text"] for given in stand_in.asked("DetectSentiment")] == [last] * asked
    assert remarks.upset == (0.9 if asked else None)


async def test_half_a_character_does_no_harm(scan: ComprehendScan, stand_in: StandIn) -> None:
    stand_in.plays["DetectPiiEntities"] = lambda given: {"Entities": []}
    assert (await scan.remarks("half \ud83d", "en")).kinds == ()


async def test_lines_of_each_image_in_order(reader: TextractReader, stand_in: StandIn) -> None:
    def read(given: Any) -> Any:
        words = given["Document"]["Bytes"].decode().split()
        lines = [{"BlockType": "LINE", "Text": word, "Id": word} for word in words]
        return {"Blocks": [{"BlockType": "PAGE", "Id": "p"}, *lines], "DocumentMetadata": {"Pages": 1}}

    stand_in.plays["DetectDocumentText"] = read
    images = tuple(base64.b64encode(text).decode() for text in (b"invoice 12", b"total 30"))
    assert await reader.texts(images) == ("invoice\n12", "total\n30")


@pytest.mark.parametrize(
    "images",
    [
        (PNG,) * (MAX_IMAGES + 1),
        (PNG, "no base64!"),
        (PNG, ""),
        (PNG, base64.b64encode(bytes(MAX_IMAGE_BYTES + 1)).decode()),
    ],
    ids=["many", "wrong", "empty", "large"],
)
async def test_nothing_is_sent_where_one_image_is_not_read(
    reader: TextractReader, stand_in: StandIn, images: tuple[str, ...]
) -> None:
    with pytest.raises(NotTakenError):
        await reader.texts(images)
    assert stand_in.raw == []


async def test_errors_are_ours_and_repeat_nothing(scan: ComprehendScan, stand_in: StandIn) -> None:
    stand_in.plays["DetectPiiEntities"] = lambda given: ServiceError("UnsupportedLanguageException")
    with pytest.raises(NotTakenError):
        await scan.remarks("canary-4471", "en")
    stand_in.plays["DetectPiiEntities"] = lambda given: ServiceError("ThrottlingException")
    with pytest.raises(StoreError) as caught:
        await scan.remarks("canary-4471", "en")
    assert not isinstance(caught.value, NotTakenError)
    assert "canary" not in str(caught.value)


async def test_a_service_that_is_away_is_a_store_error() -> None:
    with closing(client("http://127.0.0.1:9", "comprehend")) as away:
        adapter = ComprehendScan(away)
        with pytest.raises(StoreError):
            await adapter.remarks("hello", "en")
        await adapter.close()


async def test_the_function_of_the_context_stage_asks_too(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment(stand_in.url).items():
        monkeypatch.setenv(name, value)
    stand_in.plays["DetectPiiEntities"] = lambda given: {"Entities": [entity("NAME")]}
    parts = Parts({STAGE: "context", "TIERWISE_SIGNALS__COMPREHEND": "eu-central-1"})
    stage = await build(parts)
    payload = await stage({"request": to_json(ask("Jane Doe has diabetes"))}, None)
    await parts.close()
    features = payload["context"]["features"]
    assert (features["privacy"], features["pii"], features["consulted"]) == (3, ("name",), ("text",))


def test_every_error_and_every_type_is_known() -> None:
    session = botocore.session.get_session()
    for faults, service, operations in (
        (comprehend.FAULTS, "comprehend", ("DetectPiiEntities", "DetectEntities", "DetectSentiment")),
        (textract.FAULTS, "textract", ("DetectDocumentText",)),
    ):
        model: Any = session.get_service_model(service)
        listed = {shape.name for name in operations for shape in model.operation_model(name).error_shapes}
        assert listed and listed <= set(faults)
    model = session.get_service_model("comprehend")
    assert set(model.shape_for("PiiEntityType").enum) == set(comprehend.KINDS) | comprehend.UNCOUNTED
    assert comprehend.PERSON in model.shape_for("EntityType").enum
    assert set(model.shape_for("LanguageCode").enum) >= comprehend.PII_LANGUAGES | comprehend.ENTITY_LANGUAGES
    assert set(comprehend.KINDS.values()) | {"name"} <= set(LEVEL_OF_KIND)
