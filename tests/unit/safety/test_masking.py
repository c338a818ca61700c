"""Masks: nothing of a value is left, everything comes back, whatever the pieces."""

from __future__ import annotations

import json
import random

import pytest

from agents.guarding.masking import Mask, Masking, begun_at
from agents.guarding.restoring import Restorer
from router_core.execution import Chunk
from router_core.inference import Params
from router_core.policy.guarding import GuardRule
from tests.unit.agents.house import ask

RULE = GuardRule(name="hide", on="pii", action="mask", kinds=("email", "credit_card", "private_key"))
CARD, MAIL = "4111 1111 1111 1111", "jane.doe@example.com"
KEY = "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----"


def masked(text: str, **changes: object) -> tuple[str, Mask]:
    request, mask = Masking([RULE]).masked(ask(text, **changes))
    return str(request.messages[0]["content"]), mask


def test_the_same_value_has_the_same_placeholder_and_other_kinds_stay() -> None:
    text, mask = masked(f"{MAIL} and {CARD}, {MAIL} again, host 10.1.2.33")
    assert text == "[EMAIL_1] and [CREDIT_CARD_1], [EMAIL_1] again, host 10.1.2.33"
    assert mask.restore(text) == f"{MAIL} and {CARD}, {MAIL} again, host 10.1.2.33"


def test_a_placeholder_that_the_text_uses_itself_is_not_given_out() -> None:
    text, mask = masked(f"what does [EMAIL_1] mean, and who is {MAIL}?")
    assert text == "what does [EMAIL_1] mean, and who is [EMAIL_2]?"
    assert mask.restore("[EMAIL_1] [EMAIL_2]") == f"[EMAIL_1] {MAIL}"


def test_all_that_a_target_is_shown_is_masked() -> None:
    tool = {"type": "function", "function": {"name": "mail", "description": f"writes to {MAIL}"}}
    call = {
        "id": "c",
        "type": "function",
        "function": {"name": "pay", "arguments": json.dumps({"card": CARD})},
    }
    request = ask(
        messages=(
            {"role": "user", "content": [{"type": "text", "text": f"I am {MAIL}"}], "name": "jane"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": f"paid with {CARD}"},
        ),
        params=Params(tools=(tool,), extra={"stop": [MAIL]}),
        user=MAIL,
    )
    changed, mask = Masking([RULE]).masked(request)
    shown = repr(changed)
    assert MAIL not in shown and CARD not in shown
    assert set(mask.values.values()) == {MAIL, CARD}
    assert MAIL in repr(request)  # the request itself is as it was


def test_a_mask_is_not_shown_when_it_is_printed() -> None:
    assert MAIL not in repr(masked(MAIL)[1])


def test_values_are_spelt_as_json_inside_json() -> None:
    _, mask = masked(f"here: {KEY}")
    arguments = '{"key": "[PRIVATE_KEY_1]"}'
    assert json.loads(mask.restore_json(arguments)) == {"key": KEY}


@pytest.mark.parametrize("seed", range(20))
def test_a_stream_in_any_pieces_is_what_the_whole_would_be(seed: int) -> None:
    draw = random.Random(seed)
    _, mask = masked(f"{MAIL} {CARD}")
    text = "a [EMAIL_1] b [CREDIT_CARD_1][EMAIL_1] [not one] [EMAIL_ [ ["
    restorer, found, position = Restorer(mask), "", 0
    while position < len(text):
        size = draw.randint(1, 5)
        chunks = restorer.take(Chunk(text=text[position : position + size]))
        found += "".join(chunk.text for chunk in chunks)
        position += size
    found += "".join(chunk.text for chunk in restorer.rest())
    assert found == mask.restore(text)


def test_tool_arguments_in_pieces_come_back_as_json() -> None:
    _, mask = masked(f"here: {KEY}")
    whole, restorer = '{"key": "[PRIVATE_KEY_1]", "n": [1]}', Restorer(mask)
    pieces = [Chunk(tool_calls=({"index": 0, "function": {"arguments": char}},)) for char in whole]
    out = [chunk for piece in [*pieces, Chunk(finish_reason="tool_calls")] for chunk in restorer.take(piece)]
    spelt = "".join(call["function"]["arguments"] for chunk in out for call in chunk.tool_calls)
    assert json.loads(spelt) == {"key": KEY, "n": [1]}


def test_only_what_may_become_a_placeholder_waits() -> None:
    assert begun_at("hello [EMA") == 6
    assert begun_at("hello [EMAIL_1") == 6
    assert begun_at("list [1, 2") == len("list [1, 2")
    assert begun_at("done [EMAIL_1]") == len("done [EMAIL_1]")
