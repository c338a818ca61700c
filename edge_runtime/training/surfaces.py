"""Ways people write numbers, durations and times, each with the value that was meant.

Written apart from the readers in ``edge_runtime.nlu`` on purpose: the two check each other.
"""

import random

_ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["", "", *["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]]


def spell(number: int) -> str:
    """0..999 in words."""
    if number < 20:
        return _ONES[number]
    if number < 100:
        tail = number % 10
        return _TENS[number // 10] + (f" {_ONES[tail]}" if tail else "")
    tail = number % 100
    return f"{_ONES[number // 100]} hundred" + (f" {spell(tail)}" if tail else "")


def written(rng: random.Random, number: int) -> str:
    """Digits mostly, words as speech recognition often gives them."""
    return spell(number) if rng.random() < 0.3 else str(number)


def _unit(rng: random.Random, count: int, unit: str) -> str:
    short = {"hour": ("hr", "h"), "minute": ("min", "mins"), "second": ("sec", "secs")}[unit]
    word = unit if count == 1 else f"{unit}s"
    if rng.random() < 0.12:
        abbreviation = rng.choice(short)
        return f"{count}{abbreviation}" if rng.random() < 0.3 else f"{count} {abbreviation}"
    return f"{written(rng, count)} {word}"


_FIXED_DURATIONS = (
    ("half an hour", 1800), ("an hour", 3600), ("a minute", 60), ("an hour and a half", 5400),
    ("a quarter of an hour", 900), ("one and a half hours", 5400), ("two and a half minutes", 150),
    ("half a minute", 30), ("two and a half hours", 9000), ("three quarters of an hour", 2700),
    ("a couple of minutes", 120), ("a minute and a half", 90),
)  # fmt: skip


def duration(rng: random.Random) -> tuple[str, int]:
    """Text and seconds."""
    kind = rng.random()
    if kind < 0.45:
        count = rng.choice((5, 10, 15, 20, 30, rng.randint(1, 90)))
        return _unit(rng, count, "minute"), count * 60
    if kind < 0.60:
        count = rng.randint(1, 12)
        return _unit(rng, count, "hour"), count * 3600
    if kind < 0.73:
        count = rng.randint(5, 90)
        return _unit(rng, count, "second"), count
    if kind < 0.83:
        return rng.choice(_FIXED_DURATIONS)
    joint = rng.choice((" and ", " ", " and "))
    big, small = rng.randint(1, 5), rng.randint(1, 59)
    if rng.random() < 0.6:
        return _unit(rng, big, "hour") + joint + _unit(rng, small, "minute"), big * 3600 + small * 60
    return _unit(rng, big, "minute") + joint + _unit(rng, small, "second"), big * 60 + small


def _half_day(rng: random.Random) -> tuple[str, bool]:
    evening = rng.random() < 0.5
    if evening:
        return rng.choice((" pm", " pm", " p.m.", "pm", " in the evening", " in the afternoon")), True
    return rng.choice((" am", " am", " a.m.", "am", " in the morning")), False


def clock(rng: random.Random) -> tuple[str, str]:
    """Text and "HH:MM"."""
    kind = rng.random()
    hour, minute = rng.randint(1, 12), rng.choice((0, 15, 30, 45, rng.randint(1, 59)))
    if kind < 0.40:
        suffix, evening = _half_day(rng)
        minute = 0 if rng.random() < 0.5 else minute
        text = str(hour) if minute == 0 else f"{hour}:{minute:02d}"
        if suffix.startswith(" ") and rng.random() < 0.2:
            text = spell(hour) + (
                f" {spell(minute)}" if minute >= 10 else " oh " + spell(minute) if minute else ""
            )
        return text + suffix, f"{hour % 12 + 12 * evening:02d}:{minute:02d}"
    if kind < 0.60:
        hour = rng.randint(0, 23)
        return (
            f"{hour}:{minute:02d}" if rng.random() < 0.6 else f"{hour:02d}:{minute:02d}",
            f"{hour:02d}:{minute:02d}",
        )
    if kind < 0.75:
        text = written(rng, hour) + rng.choice(("", "", " o'clock"))
        return text, f"{hour:02d}:00"
    if kind < 0.82:
        minute = rng.choice((10, 15, 20, 30, 45, 50))
        return f"{spell(hour)} {spell(minute)}", f"{hour:02d}:{minute:02d}"
    if kind < 0.94:
        name, shift = rng.choice(
            (("half past", 30), ("quarter past", 15), ("ten past", 10), ("quarter to", -15))
        )
        at = (hour * 60 + shift - 60) % 720 + 60
        return f"{name} {written(rng, hour)}", f"{at // 60:02d}:{at % 60:02d}"
    return rng.choice((("noon", "12:00"), ("midnight", "00:00"), ("midday", "12:00")))


def percent(rng: random.Random) -> tuple[str, int]:
    number = rng.choice((rng.randint(1, 100), 10 * rng.randint(1, 10)))
    if rng.random() < 0.05:
        return rng.choice((("half", 50), ("maximum", 100), ("max", 100)))
    return written(rng, number) + rng.choice((" percent", " percent", "%", "", " per cent")), number


def degrees(rng: random.Random) -> tuple[str, int | float]:
    number = rng.randint(14, 30) if rng.random() < 0.8 else rng.randint(58, 85)
    if rng.random() < 0.12:
        return f"{number}.5" + rng.choice((" degrees", "")), number + 0.5
    return written(rng, number) + rng.choice((" degrees", " degrees", "", " degrees celsius", "°")), number


def quantity(rng: random.Random) -> tuple[str, int | float]:
    number = rng.choice((rng.randint(1, 12), rng.randint(1, 999), rng.randint(1, 99)))
    kind = rng.random()
    if kind < 0.12:
        return f"{number}.5", number + 0.5
    if kind < 0.16:
        return f"{spell(number % 20 + 1)} and a half", number % 20 + 1.5
    if kind < 0.20:
        thousands = 250 * rng.randint(5, 80)
        return str(thousands), thousands
    return written(rng, number), number
