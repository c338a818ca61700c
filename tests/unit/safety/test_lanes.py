"""Streams that are held: nothing goes out before its window was judged, nothing hides at a border, nothing else is lost."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from agents.guarding.judging import FILTERED, Judging
from agents.guarding.lanes import Lane
from agents.guarding.outside import Asking, Guards, PlacedGuard
from agents.guarding.verdicts import Verdicts
from router_core.errors import GuardUnavailableError
from router_core.execution import Choice, Chunk
from router_core.policy.parse import from_document
from tests.e2e.safety.house import CARD, POISON, OneWord
from tests.fakes import FakeClock
from tests.unit.deliberation.thinking import weighing

JUDGED = {"name": "said", "on": "moderation", "side": "output", "action": "block", "guards": ["judge"]}
HIDDEN = {"name": "leaks", "on": "pii", "side": "output", "action": "mask", "kinds": ["credit_card"]}


def judging(*rules: dict[str, Any], guard: OneWord | None = None, window: int = 60) -> Judging:
    policy = from_document({"guard": {"rules": list(rules), "window_chars": window}})
    placed = PlacedGuard(guard=guard or OneWord(), tier="mec", groups=("eu",))
    asking = Asking(Guards(placed={"judge": placed}), FakeClock())
    return Judging(asking, Verdicts(), weighing().context, policy)


async def through(lane: Lane, text: str, seed: int = 0) -> list[Chunk]:
    """The text in pieces of random length, and its end."""
    draw, position, out = random.Random(seed), 0, []
    while position < len(text):
        size = draw.randint(1, 12)
        out += await lane.take(Chunk(text=text[position : position + size]))
        position += size
    return [*out, *await lane.take(Chunk(finish_reason="stop"))]


def told(chunks: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks)


@pytest.mark.parametrize("seed", range(15))
async def test_clean_text_goes_out_as_it_came(seed: int) -> None:
    text = "All is well, and 1,250 people know it. " * 20
    chunks = await through(Lane(0, judging(JUDGED, HIDDEN)), text, seed)
    assert told(chunks) == text
    assert chunks[-1].finish_reason == "stop"


@pytest.mark.parametrize("at", range(0, 200, 7))
async def test_what_is_refused_never_starts_to_show(at: int) -> None:
    text = f"{'x' * at} {POISON} {'y' * 200}"
    lane = Lane(0, judging(JUDGED))
    chunks = await through(lane, text, at)
    assert POISON not in told(chunks) and "y" not in told(chunks)
    assert [chunk.finish_reason for chunk in chunks if chunk.finish_reason] == [FILTERED]
    assert lane.refused and lane.sent.finish_reason == FILTERED
    assert await lane.take(Chunk(text="more")) == []


@pytest.mark.parametrize("at", range(0, 200, 7))
async def test_values_are_taken_out_wherever_windows_end(at: int) -> None:
    text = f"{'x' * at} {CARD} {'y ' * 100}"
    lane = Lane(0, judging(HIDDEN))
    chunks = await through(lane, text, at)
    assert told(chunks) == text.replace(CARD, "[CREDIT_CARD]")
    assert lane.sent.text == told(chunks)


async def test_a_window_waits_for_its_verdict() -> None:
    guard = OneWord()
    lane = Lane(0, judging(JUDGED, guard=guard))
    assert await lane.take(Chunk(text="short")) == []
    assert guard.calls == []
    assert told(await lane.take(Chunk(text="." * 60))) == "short" + "." * 60
    assert len(guard.calls) == 1


async def test_structured_output_is_judged_and_held_back_like_text() -> None:
    bad = Chunk(json={"note": POISON}, finish_reason="stop")
    assert await Lane(0, judging(JUDGED)).take(bad) == [Chunk(finish_reason=FILTERED)]
    value = Chunk(json={"card": CARD}, finish_reason="stop")
    out = await Lane(0, judging(HIDDEN)).take(value)
    assert CARD not in repr(out)
    assert out[-1].finish_reason == "stop"


async def test_a_guard_that_must_answer_ends_the_stream() -> None:
    lane = Lane(0, judging({**JUDGED, "when_down": "closed"}, guard=OneWord(down=True)))
    with pytest.raises(GuardUnavailableError):
        await through(lane, "anything " * 20)


async def test_a_verdict_is_counted_once_an_answer() -> None:
    kept = judging({**JUDGED, "action": "report"})
    await through(Lane(0, kept), f"{POISON} " * 60)
    assert kept._verdicts.numbers() == {("said", "output", "reported"): 1}


async def test_a_whole_choice_is_refused_or_itself() -> None:
    fine = Choice(text="fine")
    assert await judging(JUDGED).choice(fine, None) is fine
    refused = await judging(JUDGED).choice(replace(fine, reasoning=POISON), None)
    assert (refused.text, refused.reasoning, refused.finish_reason) == ("", None, FILTERED)
    assert (await judging(JUDGED).choice(fine, {"x": POISON})).finish_reason == FILTERED
