"""The tuning's document: what is read is what the shared schema allows, and workers do what it says."""

from __future__ import annotations

import asyncio
import copy
import json
import random
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from gateway.jobs.tuning import Tuned
from router_core.jobs.tuning import MAX_BYTES, NOTHING, SCHEMA, Tuning, parse
from tests.architecture.code import ROOT

FORM = json.loads(Path(ROOT, "router_core", "data", "jobs-tuning.schema.json").read_text())
WHOLE: dict[str, Any] = {
    "schema": SCHEMA,
    "judges": ["mec/qwen", "cloud/nova-pro"],
    "sampling": {"rate": 0.25, "unsure_rate": 1},
    "limits": {"max_waiting": 5_000, "running": 32},
}
VALUES: tuple[Any, ...] = (
    None, True, 0, 1, 2, -1, 0.5, 1.5, 256, 257, 10_000_000, 10_000_001, 3.0, "", "mec/qwen", "a b", "x" * 97,
    [], ["mec/qwen"], ["a", "a"], ["a b"], [1], ["x"] * 17, {}, {"rate": 2}, {"strange": 1}, SCHEMA, "tierwise.jobs/2",
)  # fmt: skip
PLACES = (
    ("schema",), ("judges",), ("sampling",), ("limits",), ("sampling", "rate"), ("sampling", "unsure_rate"),
    ("limits", "running"), ("limits", "max_waiting"), ("strange",), ("limits", "strange"),
)  # fmt: skip


def test_a_whole_document_is_read() -> None:
    assert parse(json.dumps(WHOLE).encode()) == Tuning(
        judges=("mec/qwen", "cloud/nova-pro"), rate=0.25, unsure_rate=1.0, max_waiting=5_000, running=32
    )
    assert parse(json.dumps({"schema": SCHEMA}).encode()) == NOTHING


def changed(chance: random.Random) -> dict[str, Any]:
    document = copy.deepcopy(WHOLE)
    for _ in range(chance.randint(1, 2)):
        *path, name = chance.choice(PLACES)
        inside: Any = document
        for step in path:
            inside = inside.get(step)
        if not isinstance(inside, dict):
            continue
        if chance.random() < 0.2:
            inside.pop(name, None)
        else:
            inside[name] = chance.choice(VALUES)
    return document


def test_what_is_read_is_what_the_shared_schema_allows() -> None:
    chance = random.Random(3)
    checker = jsonschema.Draft4Validator(FORM)
    taken = 0
    for _ in range(3_000):
        document = changed(chance)
        valid = checker.is_valid(document)
        try:
            parse(json.dumps(document).encode())
            read = True
        except ValueError:
            read = False
        # Draft 4 knows no whole number with a fraction of nothing; we read it as the number it is.
        assert read == valid or 3.0 in document.get("limits", {}).values(), document
        taken += read
    assert 300 < taken < 2_700


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"[" * 9_000, b" " * (MAX_BYTES + 1), b'{"schema":"orchard"}']
)
def test_an_error_names_what_is_wrong_and_repeats_nothing(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"document|schema") as error:
        parse(content)
    assert "orchard" not in str(error.value)


class Once:
    """A document that is new once."""

    every_s = 3600.0

    def __init__(self) -> None:
        self.content: bytes | None = json.dumps(WHOLE).encode()

    def latest(self) -> bytes | None:
        content, self.content = self.content, None
        return content


async def test_it_looks_until_it_is_drained() -> None:
    tuned = Tuned(Once)
    seen = asyncio.Event()
    tuned.heard(lambda now: seen.set() if now.running == 32 else None)
    running = asyncio.create_task(tuned.run())
    async with asyncio.timeout(10.0):
        await seen.wait()
        tuned.drain()
        await running
