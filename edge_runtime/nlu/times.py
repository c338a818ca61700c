"""Reads durations into whole seconds and clock times into "HH:MM", from digits or words."""

import re

from edge_runtime.nlu.numbers import parse_number

LONGEST_S = 7 * 24 * 3600
_UNIT_S = {"w": 604800.0, "d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_UNIT = r"(weeks?|days?|hours?|hrs?|h|minutes?|mins?|m|seconds?|secs?|s)\b\.?"
_STEP = re.compile(r"\s*(?:,|and\b)?\s*(.{1,60}?)[\s-]+" + _UNIT)
_SPOKEN = (
    (re.compile(r"\bthree quarters of an?\b"), "0.75"),
    (re.compile(r"(?<!and )(?<!and a )\b(?:a )?quarter (?:of an? )?(?=hour|minute)"), "0.25 "),
    (re.compile(r"(?<!and )(?<!and a )\b(?:a )?half (?:of )?(?:an? )?(?=hour|minute|day)"), "0.5 "),
    (re.compile(_UNIT + r" and (?:a )?half\b"), r"\1 0.5 \1"),
    (re.compile(_UNIT + r" and (?:a )?quarter\b"), r"\1 0.25 \1"),
    (re.compile(r"\b(?:a )?couple (?:of )?"), "2 "),
    (re.compile(r"^(?=(?:hour|minute|day|week)\b)"), "1 "),
)
_PARTS = (
    (re.compile(r"\b(?:in the morning|this morning|a\.?\s?m\b\.?)"), "am"),
    (re.compile(r"\b(?:in the (?:afternoon|evening)|this (?:afternoon|evening)|p\.?\s?m\b\.?)"), "pm"),
    (re.compile(r"\b(?:at night|tonight)\b"), "night"),
)
_LATE = re.compile(r"afternoon|evening|tonight|\bnight\b")
_HALF_NAMED = re.compile(r"\d\s?[ap]\.?\s?m|\b[ap]\.?\s?m\b|morning|afternoon|evening|night|\b0\d")
_CLOCK = re.compile(r"(\d{1,2})(?:\s*[:.h]\s*(\d{2})|\s*(\d{2}))?\s*h?")
_RELATIVE = re.compile(r"(.{1,20}?)(?: minutes?)? (past|after|to|before|till?|until) (.{1,20})")
_HALF_HOUR = re.compile(r"half (\w{1,10})")
_NAMED = {"noon": (12, 0), "midday": (12, 0), "midnight": (0, 0), "lunchtime": (12, 0)}


def parse_duration(text: str) -> int | None:
    """Whole seconds, 1 s to 7 days; None when the text is not wholly a duration with units."""
    rest = re.sub(r"(?<=\d)(?=[a-z])", " ", text.lower().strip()[:120])
    for pattern, spoken in _SPOKEN:
        rest = pattern.sub(spoken, rest)
    total = 0.0
    while rest.strip(" .,"):
        step = _STEP.match(rest)
        value = parse_number(step[1]) if step else None
        if step is None or value is None or value < 0:
            return None
        total += value * _UNIT_S[step[2][0]]
        rest = rest[step.end() :]
    seconds = round(total)
    return seconds if 1 <= seconds <= LONGEST_S else None


def parse_clock(text: str) -> str | None:
    """ "HH:MM"; without am, pm or a part of the day the hour is kept as spoken. None when unreadable."""
    words = text.lower().strip()[:60]
    words = re.sub(r"(?<=\d)(?=[ap]\.?\s?m)", " ", words)
    part = None
    for pattern, name in _PARTS:
        shorter = pattern.sub(" ", words)
        if shorter != words:
            words, part = shorter, name
            break
    words = re.sub(r"\b(o'?\s?clock|sharp|exactly|on the dot)\b|^(?:at|by|around|about)\b", " ", words)
    spoken = _clock_words(" ".join(words.replace("-", " ").split()).strip(" .,"))
    if spoken is None:
        return None
    hour, minute = _in_part(spoken[0], part), spoken[1]
    return f"{hour:02d}:{minute:02d}" if 0 <= hour <= 23 and 0 <= minute <= 59 else None


def in_part_of_day(time: str, words: str, day: str) -> str:
    """ "at seven" with "tomorrow evening" is 19:00. ``time``: as read from ``words``; a half of the day that they
    name themselves stays."""
    hour, minute = int(time[:2]), time[3:]
    late = _LATE.search(day.lower())
    if late is None or not 1 <= hour <= 11 or _HALF_NAMED.search(words.lower()):
        return time
    if late[0].endswith("night") and hour < 5:
        return time
    return f"{hour + 12:02d}:{minute}"


def _in_part(hour: int, part: str | None) -> int:
    if part == "am":
        return 0 if hour == 12 else hour
    if part == "pm":
        return hour + 12 if hour < 12 else hour
    if part == "night":
        return 0 if hour == 12 else hour + 12 if 5 <= hour <= 11 else hour
    return hour


def _clock_words(words: str) -> tuple[int, int] | None:
    if words in _NAMED:
        return _NAMED[words]
    digits = _CLOCK.fullmatch(words)
    if digits:
        return int(digits[1]), int(digits[2] or digits[3] or 0)
    words = _HALF_HOUR.sub(r"half past \1", words) if _HALF_HOUR.fullmatch(words) else words
    relative = _RELATIVE.fullmatch(words)
    if relative:
        return _relative(relative[1], relative[2] in {"past", "after"}, relative[3])
    return _hour_minute(words.split())


def _relative(minutes: str, after: bool, hour: str) -> tuple[int, int] | None:
    fractions = {"half": 30, "quarter": 15, "a quarter": 15}
    count = fractions.get(minutes, parse_number(minutes))
    anchor = _NAMED.get(hour, (parse_number(hour), 0))[0]
    if count is None or anchor is None or not 0 < count < 60 or not 0 <= anchor <= 24:
        return None
    if after:
        return int(anchor), int(count)
    before = int(anchor) - 1
    return (before if before > 0 else before + 12 if before == 0 else 23), 60 - int(count)


def _hour_minute(words: list[str]) -> tuple[int, int] | None:
    """ "seven", "seven thirty", "six oh five", "twenty one fifteen": the hour is the longest prefix."""
    if words and words[0] in {"a", "an"}:
        return None
    for cut in range(min(len(words), 2), 0, -1):
        hour = parse_number(" ".join(words[:cut]))
        rest = words[cut:]
        if hour is None or not 0 <= hour <= 23:
            continue
        if not rest:
            return int(hour), 0
        minute = parse_number(" ".join(rest[1:] if rest[0] == "oh" else rest))
        if minute is not None and 0 <= minute <= 59:
            return int(hour), int(minute)
    return None
