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
    short = {"hour": ("hr", "h", "hrs"), "minute": ("min", "mins"), "second": ("sec", "secs")}[unit]
    word = unit if count == 1 or rng.random() < 0.15 else f"{unit}s"
    if rng.random() < 0.12:
        abbreviation = rng.choice(short)
        return f"{count}{abbreviation}" if rng.random() < 0.3 else f"{count} {abbreviation}"
    return written(rng, count) + ("-" if rng.random() < 0.06 else " ") + word


_FIXED_DURATIONS = (
    ("half an hour", 1800), ("an hour", 3600), ("a minute", 60), ("an hour and a half", 5400),
    ("a quarter of an hour", 900), ("one and a half hours", 5400), ("two and a half minutes", 150),
    ("half a minute", 30), ("two and a half hours", 9000), ("three quarters of an hour", 2700),
    ("a couple of minutes", 120), ("a minute and a half", 90), ("a half hour", 1800), ("half hour", 1800), ("one hour", 3600),
    ("an hour and a quarter", 4500), ("one and a half minutes", 90), ("a couple of hours", 7200), ("a day", 86400),
    ("two days", 172800), ("an hour and 20 minutes", 4800), ("three and a half minutes", 210), ("a quarter hour", 900),
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
        return rng.choice(
            (" pm", " pm", " p.m.", "pm", " p m", " in the evening", " in the afternoon", " PM")
        ), True
    return rng.choice((" am", " am", " a.m.", "am", " a m", " in the morning", " AM")), False


def clock(rng: random.Random) -> tuple[str, str]:
    """Text and "HH:MM"."""
    kind = rng.random()
    hour, minute = rng.randint(1, 12), rng.choice((0, 15, 30, 45, rng.randint(1, 59)))
    if kind < 0.42:
        return _twelve_hours(rng, hour, minute)
    if kind < 0.58:
        hour = rng.randint(0, 23)
        text = f"{hour}:{minute:02d}" if rng.random() < 0.6 else f"{hour:02d}:{minute:02d}"
        return text, f"{hour:02d}:{minute:02d}"
    if kind < 0.73:
        text = written(rng, hour) + rng.choice(("", "", " o'clock", " oclock", " o clock"))
        return text, f"{hour:02d}:00"
    if kind < 0.82:
        minute = rng.choice((10, 15, 20, 30, 40, 45, 50, rng.randint(10, 59)))
        text = rng.choice((f"{spell(hour)} {spell(minute)}", f"{hour} {minute}", f"{hour}{minute}"))
        return text, f"{hour:02d}:{minute:02d}"
    if kind < 0.95:
        return _past_or_to(rng, hour)
    return rng.choice((("noon", "12:00"), ("midnight", "00:00"), ("midday", "12:00")))


def _twelve_hours(rng: random.Random, hour: int, minute: int) -> tuple[str, str]:
    suffix, evening = _half_day(rng)
    minute = 0 if rng.random() < 0.5 else minute
    text = str(hour) if minute == 0 else f"{hour}:{minute:02d}"
    if suffix.startswith(" ") and rng.random() < 0.3:
        text = spell(hour) + (
            f" {spell(minute)}" if minute >= 10 else " oh " + spell(minute) if minute else ""
        )
    if minute == 0 and suffix.startswith(" in") and rng.random() < 0.3:
        text += " o'clock"
    return text + suffix, f"{hour % 12 + 12 * evening:02d}:{minute:02d}"


_RELATIVE = (
    ("half past", 30), ("half past", 30), ("quarter past", 15), ("a quarter past", 15), ("ten past", 10), ("quarter to", -15),
    ("a quarter to", -15), ("five past", 5), ("twenty past", 20), ("twenty to", -20), ("ten to", -10), ("five to", -5),
    ("quarter after", 15), ("quarter till", -15), ("20 past", 20), ("10 to", -10), ("twenty five past", 25), ("half", 30),
)  # fmt: skip


def _past_or_to(rng: random.Random, hour: int) -> tuple[str, str]:
    name, shift = rng.choice(_RELATIVE)
    at = (hour * 60 + shift - 60) % 720 + 60
    said = spell(hour) if name == "half" else written(rng, hour)
    if rng.random() < 0.15:
        suffix, evening = rng.choice(
            ((" am", False), (" pm", True), (" in the morning", False), (" in the evening", True))
        )
        return f"{name} {said}{suffix}", f"{at // 60 % 12 + 12 * evening:02d}:{at % 60:02d}"
    return f"{name} {said}", f"{at // 60:02d}:{at % 60:02d}"


def percent(rng: random.Random) -> tuple[str, int]:
    number = rng.choice((rng.randint(1, 100), 10 * rng.randint(1, 10), 5 * rng.randint(1, 20)))
    if rng.random() < 0.06:
        return rng.choice((("half", 50), ("maximum", 100), ("max", 100), ("a quarter", 25), ("a third", 33)))
    unit = (" percent", " percent", " percent", "%", "%", "", " per cent", " %")
    return written(rng, number) + rng.choice(unit), number


def degrees(rng: random.Random) -> tuple[str, int | float]:
    number = rng.choice((rng.randint(14, 30), rng.randint(14, 30), rng.randint(5, 35), rng.randint(58, 85)))
    if rng.random() < 0.12:
        half = rng.choice(
            (f"{number}.5", f"{number}.5", f"{spell(number)} point five", f"{spell(number)} and a half")
        )
        return half + rng.choice((" degrees", "")), number + 0.5
    unit: tuple[str, ...] = (
        " degrees",
        " degrees",
        " degrees",
        "",
        "",
        " degrees celsius",
        "°",
        "°C",
        " degrees c",
        " celsius",
        " degree",
        "c",
    )
    if number > 50:
        unit = (" degrees", " degrees", "", " degrees fahrenheit", " fahrenheit", "°F", " f", " degrees f")
    said = rng.choice(unit)
    return (str(number) if said == "c" else written(rng, number)) + said, number


def quantity(rng: random.Random) -> tuple[str, int | float]:
    number = rng.choice(
        (rng.randint(1, 12), rng.randint(1, 999), rng.randint(1, 99), 10 * rng.randint(1, 50))
    )
    kind = rng.random()
    if kind < 0.08:
        return f"{number}.5", number + 0.5
    if kind < 0.11:
        return f"{spell(number % 20 + 1)} and a half", number % 20 + 1.5
    if kind < 0.14:
        return f"{spell(number % 20)} point {spell(number % 9 + 1)}", float(f"{number % 20}.{number % 9 + 1}")
    if kind < 0.18:
        thousands = 250 * rng.randint(5, 80)
        return rng.choice((str(thousands), f"{thousands:,}")), thousands
    if kind < 0.21:
        return rng.choice((("a dozen", 12), ("two dozen", 24), ("a hundred", 100), ("a thousand", 1000)))
    return written(rng, number), number
