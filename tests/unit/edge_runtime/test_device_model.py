"""The device model behind the ports: answers commands, refuses what it does not know, never queues without end."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from edge_runtime.device_model import DIMENSIONS, DeviceProbe, OnnxDeviceModel, last_user_text
from edge_runtime.engines.onnx_intent import OnnxIntentEngine
from edge_runtime.engines.owner import OwnerThread
from edge_runtime.store import SHIPPED
from router_core.errors import RefusedError, ThrottledError, TimeoutTargetError, UnavailableError
from router_core.inference import Params
from router_core.ports import EmbedCall, ModelCall


@pytest.fixture(scope="module")
def engine() -> OnnxIntentEngine:
    return OnnxIntentEngine.load(SHIPPED / "intent-v1")


@pytest.fixture
def owner() -> Iterator[OwnerThread]:
    thread = OwnerThread(limit=2)
    yield thread
    thread.close()


@pytest.fixture
def model(engine: OnnxIntentEngine, owner: OwnerThread) -> OnnxDeviceModel:
    return OnnxDeviceModel(engine, owner, count=lambda text: len(text.split(",")))


def call(text: str, **values: Any) -> ModelCall:
    messages = ({"role": "system", "content": "You control a house."}, {"role": "user", "content": text})
    base: dict[str, Any] = {
        "request_id": "r", "model": "intent-v1", "messages": messages, "params": Params(), "task": "command", "timeout_s": 5.0,
    }  # fmt: skip
    return ModelCall(**{**base, **values})


def embedding(*texts: str, dimensions: int | None = None) -> EmbedCall:
    return EmbedCall(request_id="r", model="intent-v1", inputs=texts, timeout_s=5.0, dimensions=dimensions)


async def test_a_command_is_answered_as_structure_as_text_and_with_its_tokens(model: OnnxDeviceModel) -> None:
    answer = await model.generate(call("set a timer for 5 minutes"))
    expected = {"commands": [{"intent": "set_timer", "slots": {"duration_s": 300}}]}
    assert answer.json == expected
    assert json.loads(answer.choices[0].text or "") == expected
    assert answer.confidence is not None and answer.confidence > 0.7
    assert answer.usage.prompt_tokens > 3
    assert (answer.usage.completion_tokens, answer.usage.estimated) == (2, False)


async def test_a_stream_is_the_whole_answer_then_its_usage(model: OnnxDeviceModel) -> None:
    chunks = [chunk async for chunk in model.stream(call("turn off the kitchen lights"))]
    assert [chunk.finish_reason for chunk in chunks] == ["stop", None]
    assert chunks[0].json == json.loads(chunks[0].text)
    assert chunks[1].usage is not None


@pytest.mark.parametrize(
    "text", ["Why did Rome fall?", "", "   ", "turn " * 400, "colourless green ideas sleep"]
)
async def test_what_is_no_known_command_is_refused_and_not_guessed(model: OnnxDeviceModel, text: str) -> None:
    with pytest.raises(RefusedError, match="not sure enough"):
        await model.generate(call(text))


async def test_a_confidence_above_the_models_own_is_kept(model: OnnxDeviceModel) -> None:
    with pytest.raises(RefusedError, match=r"below 1\.00"):
        await model.generate(call("set a timer for 5 minutes", min_confidence=1.0))


@pytest.mark.parametrize(
    "values",
    [
        {"task": "chat"},
        {"continuation": "so far"},
        {"params": Params(tools=({"type": "function"},))},
        {"params": Params(response_format={"type": "json_schema"})},
        {"params": Params(extra={"n": 2})},
    ],
)
async def test_what_is_not_one_plain_command_is_refused(
    model: OnnxDeviceModel, values: dict[str, Any]
) -> None:
    with pytest.raises(RefusedError):
        await model.generate(call("set a timer for 5 minutes", **values))


async def test_vectors_are_unit_vectors_in_order_and_like_texts_lie_near(model: OnnxDeviceModel) -> None:
    answer = await model.embed(embedding("a dog plays", "the puppy is playing", "quarterly tax report"))
    first, near, far = answer.vectors
    assert [len(vector) for vector in answer.vectors] == [DIMENSIONS] * 3
    assert sum(x * x for x in first) == pytest.approx(1.0, abs=1e-3)
    assert sum(a * b for a, b in zip(first, near, strict=True)) > sum(
        a * b for a, b in zip(first, far, strict=True)
    )
    assert answer.usage.prompt_tokens == 3


async def test_another_number_of_dimensions_is_refused(model: OnnxDeviceModel) -> None:
    with pytest.raises(RefusedError, match="384 dimensions only"):
        await model.embed(embedding("x", dimensions=256))


async def test_a_full_queue_is_throttled_and_a_slow_one_times_out(
    model: OnnxDeviceModel, owner: OwnerThread
) -> None:
    gate = threading.Event()
    holding = [asyncio.create_task(owner.run(gate.wait)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(ThrottledError):
        await model.generate(call("set a timer for 5 minutes"))
    assert (await DeviceProbe(owner).probe()).up
    gate.set()
    await asyncio.gather(*holding)
    gate.clear()
    held = asyncio.create_task(owner.run(gate.wait))
    await asyncio.sleep(0)
    with pytest.raises(TimeoutTargetError):
        await model.generate(call("set a timer for 5 minutes", timeout_s=0.01))
    gate.set()
    await held


async def test_a_closed_model_is_unavailable_and_seen_down(
    model: OnnxDeviceModel, owner: OwnerThread
) -> None:
    assert (await DeviceProbe(owner).probe()).up
    owner.close()
    with pytest.raises(UnavailableError):
        await model.generate(call("set a timer for 5 minutes"))
    assert not (await DeviceProbe(owner).probe()).up


def test_the_last_user_turn_counts_and_its_text_parts_are_joined() -> None:
    parts = [
        {"type": "text", "text": "a"},
        {"type": "image_url", "image_url": {}},
        {"type": "text", "text": "b"},
    ]
    assert last_user_text(({"role": "user", "content": "old"}, {"role": "user", "content": parts})) == "a\nb"
    assert last_user_text(({"role": "user", "content": "x"}, {"role": "assistant", "content": "y"})) == "x"
    assert last_user_text(()) == ""
