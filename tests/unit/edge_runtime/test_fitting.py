"""Where a value ends is settled by rules: marks that are a word too short or too long still give the right value."""

from __future__ import annotations

import numpy as np
import pytest

from edge_runtime.nlu.catalogue import load_catalogue
from edge_runtime.nlu.decode import NEXT, Span, Tagged, assemble, recovered, wanted, without_false_joints
from edge_runtime.nlu.fitting import fitted, named
from edge_runtime.nlu.values import one_letter_off, read_value

CATALOGUE = load_catalogue()
INTENTS = CATALOGUE.intents


def spans(sentence: str, /, **marked: str) -> list[Span]:
    places = {slot: sentence.index(words) for slot, words in marked.items()}
    return [Span(slot=slot, start=at, end=at + len(marked[slot])) for slot, at in places.items()]


def slots(intent: str, sentence: str, /, **marked: str) -> dict[str, object] | str:
    made = assemble(INTENTS[intent], sentence, spans(sentence, **marked))
    return made.fault or dict(made.commands[0].slots)


@pytest.mark.parametrize(
    ("intent", "text", "marked", "expected"),
    [
        ("set_alarm", "wake me at quarter past six", {"time": "past six"}, {"time": "06:15"}),
        ("set_alarm", "wake me at 7 30 pm", {"time": "7"}, {"time": "19:30"}),
        ("set_timer", "a timer for 5 minutes and 30 seconds", {"duration_s": "5 minutes"}, {"duration_s": 330}),
        ("set_timer", "timer 10 minutes please now", {"duration_s": "10 minutes please"}, {"duration_s": 600}),
        ("thermostat", "make it 70 degrees fahrenheit", {"degrees": "70"}, {"degrees": 70, "unit": "fahrenheit"}),
        ("device_setting", "turn on do not disturb", {"state": "on", "setting": "not disturb"}, {"state": "on", "setting": "do_not_disturb"}),
        ("cruise_control", "cancel the cruise control", {}, {"state": "off"}),
        ("set_alarm", "wake me at 7 tomorrow evening", {"time": "7", "day": "tomorrow evening"}, {"time": "19:00", "day": "tomorrow"}),
        ("set_alarm", "wake me at 7 am tonight", {"time": "7 am", "day": "tonight"}, {"time": "07:00", "day": "today"}),
        ("light", "turn off, turn off the lights", {"state": "off"}, {"state": "off"}),
        ("lock_door", "lock the front door", {"door": "front"}, {"door": "front"}),
    ],
)  # fmt: skip
def test_the_value_that_was_said_is_read(
    intent: str, text: str, marked: dict[str, str], expected: dict[str, object]
) -> None:
    assert slots(intent, text, **marked) == expected


def test_a_value_never_takes_the_words_of_another() -> None:
    text = "remind me at 5 to call mom"
    assert slots("reminder", text, time="5", text="call mom") == {"time": "05:00", "text": "call mom"}
    clock = INTENTS["set_alarm"].slots["time"].type
    assert fitted(clock, "alarm 7 30 seconds", (6, 7), [(8, 18)]) == (6, 7)


def test_what_cannot_be_read_stays_a_fault() -> None:
    assert (
        slots("set_timer", "set a timer for some bananas", duration_s="some bananas")
        == "duration_s cannot be read"
    )
    assert (
        slots("light", "the lights of the kitchen", room="kitchen")
        == "missing state or brightness or color or direction"
    )


def test_a_listed_name_is_found_outside_other_values_only() -> None:
    state = INTENTS["light"].slots["state"].type
    assert named(state, "please extinguish the lights", []) == (7, 17)
    assert named(state, "please extinguish the lights", [(7, 17)]) is None
    assert named(state, "lights of the hall", []) is None


def test_one_wrong_letter_is_forgiven_where_nothing_else_is_as_near() -> None:
    setting = INTENTS["device_setting"].slots["setting"].type
    assert read_value(setting, "bluetoth") == read_value(setting, "bluetooht") == "bluetooth"
    assert read_value(setting, "blue") is None
    assert one_letter_off("lower", "lowre") and not one_letter_off("lower", "power up")
    assert read_value(INTENTS["light"].slots["state"].type, "om") is None


def test_a_joining_word_before_another_room_parts_nothing() -> None:
    rooms = "lights on in the kitchen and in the hall"
    joint = Span(slot=NEXT, start=rooms.index("and"), end=rooms.index("and") + 3)
    found = spans(rooms, state="on", room="kitchen")
    hall = Span(slot="room", start=rooms.index("hall"), end=len(rooms))
    assert joint not in without_false_joints(rooms, [*found, joint, hall])
    lamp = rooms.replace("hall", "hall lamp")
    assert joint in without_false_joints(lamp, [*found, joint, hall])
    assert without_false_joints("no joints", []) == ()


def test_a_slot_that_must_be_there_is_taken_from_its_likeliest_place() -> None:
    tags = ("O", "B-device", "I-device")
    words = [(1, 0, 4), (2, 5, 7), (3, 8, 13)]
    chances = np.array([[1, 0, 0], [0.9, 0.1, 0], [0.97, 0.03, 0], [0.6, 0.3, 0.1]], np.float32)
    none = Tagged(spans=(), weakest=0.6)
    assert wanted(INTENTS["find_device"], ()) == ("device",)
    found = recovered(words, chances, tags, none, ("device",))
    assert found.spans == (Span(slot="device", start=8, end=13),)
    assert found.weakest == pytest.approx(0.4)
    assert recovered(words, chances * 0.01, tags, none, ("device",)) == none
