"""A client over models that came by the network: a language model beside the shipped one, known as soon as it serves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_runtime import Client, Conditions, Delta, Library, LibraryOptions, Options, RefusedModelError
from tests.e2e.device.house import SET_TIMER, TIMER, rested
from tests.tiny_llama import build
from tests.unit.edge_runtime.model_server import PUBLIC, serving

pytest.importorskip("onnxruntime_genai")
FORM = {
    "type": "json_schema",
    "json_schema": {
        "name": "n",
        "schema": {
            "type": "object",
            "properties": {"yes": {"type": "boolean"}},
            "required": ["yes"],
            "additionalProperties": False,
        },
    },
}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a tiny language model."""
    folder = build(tmp_path_factory.mktemp("made") / "tiny")
    bodies = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "manifest.json"}
    with serving() as site:
        yield site.publish("tiny", "1.0", bodies)


async def test_a_pulled_language_model_answers_beside_the_shipped_one(published: str, tmp_path: Path) -> None:
    library = Library(tmp_path / "models", trust=[PUBLIC], options=LibraryOptions(budget_mb=256))
    options = Options(home=tmp_path / "home", device=rested, serving=library)
    async with Client(options=options) as client:
        assert (await client.command(SET_TIMER)).commands == (TIMER,)
        with pytest.raises(RefusedModelError, match="Wi-Fi"):
            await library.pull(published, Conditions(metered=True))
        came: list[int] = []
        manifest = await library.pull(published, progress=came.append)
        assert sum(came) == manifest.size_bytes
        await library.activate("tiny", "1.0")
        await client.refresh()
        answer = await client.infer("Tell me a story about a fox.", max_tokens=8)
        assert (answer.tier, answer.target, answer.model) == ("device", "device/tiny", "tiny")
        assert (await client.infer("Yes?", max_tokens=40, response_format=FORM)).json in (
            {"yes": True},
            {"yes": False},
        )
        parts = [part async for part in client.stream("Tell me a story about a fox.", max_tokens=8)]
        whole = parts[-1]
        assert not isinstance(whole, Delta)
        assert "".join(part.text for part in parts[:-1] if isinstance(part, Delta)) == whole.text
        assert len(parts) > 3
        assert (await client.waiting())["report"] == 4
    assert Library(tmp_path / "models", trust=[PUBLIC]).standing("tiny").active == "1.0"


async def test_a_stream_that_is_left_is_told_of_as_cancelled(published: str, tmp_path: Path) -> None:
    library = Library(tmp_path / "models", trust=[PUBLIC])
    await library.pull(published)
    await library.activate("tiny", "1.0")
    async with Client(options=Options(device=rested, serving=library)) as client:
        stream = client.stream("Tell me a story about a fox.", max_tokens=400)
        assert isinstance(await anext(stream), Delta)
        await stream.aclose()
        kept = [item.body["status"] for item in client._outbox.due(("report",), 8)]
        assert kept == ["cancelled"]
