"""A language model in a folder: the real engine over a tiny Llama with weights by chance."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from edge_runtime.engines.model_folder import ModelFolderError
from edge_runtime.language.engine import LanguageEngine
from edge_runtime.language.folder import SAMPLES, check_tokenizer, open_language_folder
from edge_runtime.language.model import LanguageModel
from edge_runtime.language.stops import StopStrings
from edge_runtime.opening import open_folder
from router_core.errors import RefusedError, ThrottledError, TimeoutTargetError, UnavailableError
from router_core.inference import Params
from router_core.ports import EmbedCall, ModelCall
from tests.tiny_llama import CONTEXT, build

SCHEMA = {
    "type": "object",
    "properties": {
        "answer": {"type": "string", "enum": ["yes", "no"]},
        "n": {"type": "integer", "maximum": 99},
    },
    "required": ["answer", "n"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("models") / "tiny-llama")


@pytest.fixture(scope="module")
def engine(folder: Path) -> Iterator[LanguageEngine]:
    loaded = LanguageEngine.load(folder, limit=6)
    yield loaded
    loaded.close()


@pytest_asyncio.fixture
async def model(engine: LanguageEngine) -> AsyncIterator[LanguageModel]:
    yield LanguageModel(engine)
    for _ in range(2_000):  # what a test left behind ends with its next token
        if engine.waiting == 0:
            return
        await asyncio.sleep(0.005)
    raise AssertionError("the engine still works for a test that is over")


def call(text: str = "turn off the lights", **params: Any) -> ModelCall:
    extra: dict[str, Any] = {key: params.pop(key) for key in ("stop", "n", "logprobs") if key in params}
    return ModelCall(
        request_id="req_1",
        model="tiny-llama",
        messages=({"role": "user", "content": text},),
        params=replace(Params(max_tokens=12, temperature=0.0), extra=extra, **params),
        task="chat",
        timeout_s=20.0,
    )


async def texts(model: LanguageModel, asked: ModelCall) -> list[str]:
    return [chunk.text async for chunk in model.stream(asked) if chunk.text]


async def test_the_same_question_has_the_same_answer_whole_and_streamed(model: LanguageModel) -> None:
    answer = await model.generate(call())
    (choice,) = answer.choices
    assert choice.text and choice.finish_reason == "length"
    assert (answer.usage.completion_tokens, answer.usage.estimated) == (12, False)
    assert answer.usage.prompt_tokens > 4
    pieces = await texts(model, call())
    assert len(pieces) > 3 and "".join(pieces) == choice.text


async def test_several_at_a_time_get_the_answers_they_would_get_alone(model: LanguageModel) -> None:
    asked = [call(f"question {number}") for number in range(5)]
    alone = [(await model.generate(one)).choices[0].text for one in asked]
    together = await asyncio.gather(*(model.generate(one) for one in asked))
    assert [one.choices[0].text for one in together] == alone


async def test_at_a_temperature_answers_differ(model: LanguageModel) -> None:
    found = {(await model.generate(call(max_tokens=24, temperature=1.0))).choices[0].text for _ in range(4)}
    assert len(found) > 1


async def test_an_answer_follows_the_callers_schema(model: LanguageModel) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
    answer = await model.generate(call(response_format=form, max_tokens=60))
    found = json.loads(answer.choices[0].text or "")
    assert answer.json == found and set(found) == {"answer", "n"} and found["answer"] in ("yes", "no")
    assert answer.choices[0].finish_reason == "stop"


@pytest.mark.parametrize(
    "schema", [{"type": "nothing"}, {"$ref": "#/nowhere"}, [1], "x", {"enum": ["v" * 40_000]}]
)
async def test_a_schema_that_cannot_be_followed_is_refused(model: LanguageModel, schema: Any) -> None:
    form = {"type": "json_schema", "json_schema": {"schema": schema}}
    with pytest.raises(RefusedError):
        await model.generate(call(response_format=form))


async def test_a_stop_string_ends_the_answer_and_is_not_in_it(model: LanguageModel) -> None:
    whole = (await model.generate(call())).choices[0].text or ""
    stop = whole[4:7]
    answer = await model.generate(call(stop=[stop]))
    assert answer.choices[0].text == whole[: whole.index(stop)]
    assert answer.choices[0].finish_reason == "stop"
    assert "".join(await texts(model, call(stop=stop))) == whole[: whole.index(stop)]


async def test_a_text_is_gone_on_from(model: LanguageModel) -> None:
    whole = (await model.generate(call())).choices[0].text
    further = (await model.generate(replace(call(), continuation="the quick"))).choices[0].text
    assert further and further != whole


async def test_who_leaves_frees_the_engine(model: LanguageModel, engine: LanguageEngine) -> None:
    stream = model.stream(call(max_tokens=400))
    await anext(stream)
    assert engine.waiting == 1
    await stream.aclose()
    # The fixture waits until nothing runs; another answer comes at once.
    assert (await model.generate(call(max_tokens=2))).usage.completion_tokens == 2


async def test_too_many_at_a_time_are_told_so(model: LanguageModel) -> None:
    done = await asyncio.gather(
        *(model.generate(call(max_tokens=40)) for _ in range(12)), return_exceptions=True
    )
    refused = [one for one in done if isinstance(one, BaseException)]
    assert len(refused) == 6 and all(isinstance(one, ThrottledError) for one in refused)


async def test_time_is_kept(model: LanguageModel) -> None:
    with pytest.raises(TimeoutTargetError):
        await model.generate(replace(call(max_tokens=480), timeout_s=0.001))


@pytest.mark.parametrize("asked", [
    call(tools=({"type": "function"},)), call(n=2), call(logprobs=True), call("word " * CONTEXT),
    replace(call(), messages=({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]},)),
])  # fmt: skip
async def test_what_the_engine_cannot_do_is_refused(model: LanguageModel, asked: ModelCall) -> None:
    with pytest.raises(RefusedError):
        await model.generate(asked)


async def test_it_gives_no_vectors_and_says_how_it_is(model: LanguageModel) -> None:
    with pytest.raises(RefusedError):
        await model.embed(EmbedCall(request_id="r", model="m", inputs=("a",), timeout_s=1.0))
    assert (await model.probe()).up


async def test_a_closed_engine_takes_nothing(folder: Path) -> None:
    opened = open_folder(folder)
    await opened.model.generate(call(max_tokens=1))
    opened.owner.close()
    with pytest.raises(UnavailableError):
        await opened.model.generate(call())


@pytest.mark.parametrize("form", ["x", [1], None])
async def test_a_form_without_a_schema_object_is_refused_or_any_object(
    model: LanguageModel, form: Any
) -> None:
    with pytest.raises(RefusedError):
        await model.generate(call(response_format={"type": "json_schema", "json_schema": form}))


async def test_half_a_surrogate_pair_costs_nobody_the_engine(model: LanguageModel) -> None:
    await asyncio.gather(model.generate(call("\ud800 half")), return_exceptions=True)
    with pytest.raises(RefusedError):
        await model.generate(replace(call(), continuation="\ud800"))
    assert (await model.generate(call(max_tokens=2))).usage.completion_tokens == 2


async def test_an_engine_that_fails_leaves_nobody_waiting(folder: Path) -> None:
    engine = LanguageEngine.load(folder)
    model = LanguageModel(engine)
    stream = model.stream(call(max_tokens=400))
    await anext(stream)

    class Broken:
        def run(self, _: Any) -> list[Any]:
            raise RuntimeError("the device is gone")

    engine._engine = Broken()
    with pytest.raises(UnavailableError):
        async for _ in stream:
            pass
    with pytest.raises(UnavailableError):
        await model.generate(call())
    assert not (await model.probe()).up
    engine.close()


async def test_a_close_while_it_works_ends_who_waits(folder: Path) -> None:
    opened = open_folder(folder)
    asked = [asyncio.create_task(opened.model.generate(call(max_tokens=450))) for _ in range(6)]
    await asyncio.sleep(0)
    await asyncio.to_thread(opened.owner.close)
    done = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(one, UnavailableError) for one in done if isinstance(one, BaseException))
    assert any(isinstance(one, UnavailableError) for one in done)


def test_the_tokenizer_is_checked_token_for_token(folder: Path) -> None:
    with pytest.raises(ModelFolderError, match="token for token"):
        check_tokenizer(folder, lambda text: [len(text)])
    assert len(SAMPLES) > 5


def test_a_tokenizer_that_the_engine_reads_otherwise_stops_the_loading(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    settings = json.loads((other / "tokenizer.json").read_text())
    # This split loads in both libraries and is read in two ways.
    settings["pre_tokenizer"] = {
        "type": "Sequence",
        "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": "[\\p{L}]+|."}, "behavior": "Isolated", "invert": False},
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
        ],
    }
    (other / "tokenizer.json").write_text(json.dumps(settings))
    with pytest.raises(ModelFolderError, match="other"):
        LanguageEngine.load(other)


@pytest.mark.parametrize("missing", ["tokenizer.json", "model.onnx", "genai_config.json"])
def test_a_folder_that_is_not_whole_is_no_model(folder: Path, tmp_path: Path, missing: str) -> None:
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    (other / missing).unlink()
    with pytest.raises(ModelFolderError):
        open_language_folder(other)


def test_a_stop_string_may_come_in_pieces() -> None:
    stops = StopStrings(("END", "\n\n"))
    shown = [stops.passed(text, last=False) for text in ("a", "bE", "N", "x", "\n", "y", "E", "ND z")]
    assert shown == [("a", False), ("b", False), ("", False), ("ENx", False), ("", False), ("\ny", False), ("", False), ("", True)]  # fmt: skip
    stops = StopStrings(("END",))
    assert (stops.passed("x E", last=False), stops.passed("", last=True)) == (("x ", False), ("E", False))
