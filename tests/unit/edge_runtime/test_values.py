"""Slot values are read by rules; these state what the rules promise for digits and for words."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.nlu.catalogue import load_catalogue
from edge_runtime.nlu.numbers import parse_number
from edge_runtime.nlu.times import LONGEST_S, parse_clock, parse_duration
from edge_runtime.nlu.values import read_value
from edge_runtime.training import surfaces

CATALOGUE = load_catalogue()


@given(st.integers(0, 999))
def test_every_whole_number_reads_the_same_in_words_and_in_digits(number: int) -> None:
    assert parse_number(surfaces.spell(number)) == number == parse_number(str(number))


@given(st.integers(0, 23), st.integers(0, 59))
def test_digital_time_is_kept(hour: int, minute: int) -> None:
    assert parse_clock(f"{hour}:{minute:02d}") == f"{hour:02d}:{minute:02d}"


@given(st.integers(1, 12), st.integers(0, 59), st.sampled_from(["am", "pm", "a.m.", "p.m."]))
def test_half_days_follow_the_twelve_hour_clock(hour: int, minute: int, half: str) -> None:
    expected = hour % 12 + (12 if half[0] == "p" else 0)
    assert parse_clock(f"{hour}:{minute:02d} {half}") == f"{expected:02d}:{minute:02d}"


@given(st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_hours_minutes_and_seconds_add_up(hours: int, minutes: int, seconds: int) -> None:
    total = hours * 3600 + minutes * 60 + seconds
    text = f"{hours} hours, {minutes} minutes and {seconds} seconds"
    assert parse_duration(text) == (total or None)


@pytest.mark.parametrize("seed", range(3))
def test_every_spelling_the_generator_uses_is_read_as_it_was_meant(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(1_500):
        text, seconds = surfaces.duration(rng)
        assert parse_duration(text) == seconds, text
        text, time = surfaces.clock(rng)
        assert parse_clock(text) == time, text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("half an hour", 1800),
        ("two and a half hours", 9000),
        ("an hour and a quarter", 4500),
        ("1h 30m", 5400),
        ("twenty-five minutes", 1500),
        ("three quarters of an hour", 2700),
        ("5", None),
        ("minutes", None),
        ("-5 minutes", None),
        ("0 seconds", None),
        ("999999 hours", None),
        ("5 bananas", None),
    ],
)
def test_durations_by_example(text: str, seconds: int | None) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("half past six", "06:30"),
        ("quarter to one", "12:45"),
        ("six oh five", "06:05"),
        ("noon", "12:00"),
        ("7 30 pm", "19:30"),
        ("8 tonight", "20:00"),
        ("quarter to midnight", "23:45"),
        ("25:00", None),
        ("12:75", None),
        ("soon", None),
    ],
)
def test_clock_times_by_example(text: str, time: str | None) -> None:
    assert parse_clock(text) == time


@given(st.text(max_size=300))
def test_no_text_breaks_a_reader_and_values_stay_in_range(text: str) -> None:
    for intent in CATALOGUE.intents.values():
        for slot in intent.slots.values():
            value = read_value(slot.type, text)
            if value is None:
                continue
            if slot.type.name == "duration":
                assert isinstance(value, int) and 1 <= value <= LONGEST_S
            if slot.type.name == "percent":
                assert isinstance(value, int) and 0 <= value <= 100


def test_names_lose_their_article_and_case_but_messages_keep_theirs() -> None:
    light, message = CATALOGUE.intents["light"], CATALOGUE.intents["send_message"]
    assert read_value(light.slots["room"].type, "The Kitchen") == "kitchen"
    assert read_value(message.slots["text"].type, "See You at 5!") == "See You at 5"
    assert read_value(message.slots["to"].type, "the Smiths") == "Smiths"


def test_every_synonym_reads_as_its_catalogue_name() -> None:
    for intent in CATALOGUE.intents.values():
        for slot in intent.slots.values():
            for spelling, name in slot.type.synonyms.items():
                assert read_value(slot.type, spelling.upper()) == name
