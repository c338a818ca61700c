"""Which core error an HTTP status means, how long a throttling target wants to be left alone, and what may be told.

An upstream's own words help ("maximum context length is 8192 tokens"), but can hold addresses, keys and pieces of the
prompt. Only a short, cleaned beginning of them is ever passed on.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from typing import Final

from router_core.errors import RefusedError, TargetError, ThrottledError, UnavailableError

MAX_RETRY_AFTER_S: Final = 86_400.0
_MAX_SUMMARY: Final = 160
_MAX_READ: Final = 2_000
_UNAVAILABLE: Final = frozenset({408, 409, 424, 425, 500, 502, 503, 504, 529})
# Whatever follows a bracket, an opening quote or a line break is data: validation libraries repeat the input there.
_DATA: Final = re.compile(r"[{\[\r\n]|(?<!\w)['\"]")
_HIDDEN: Final = re.compile(
    r"\S*://\S*"  # addresses
    r"|\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b"
    r"|\b[\w.-]+:\d{2,5}\b"
    r"|\S+@\S+"
    r"|\barn:\S+|\b\d{12}\b"  # AWS resource names and account numbers
    r"|\b(?:sk|pk|rk|gsk|hf|nvapi|AKIA|ASIA|ABSK)[-_A-Za-z0-9*.]{6,}"  # keys by their usual beginnings
    r"|[A-Za-z0-9+/_*=-]{24,}"  # and anything as long as a key
    r"|`[^`]{65,}`"  # names stand in backquotes; this is longer than one
    r"|[^\x20-\x7e\xa0-\uffff]"
)


def status_error(status: int, headers: Mapping[bytes, bytes], detail: str = "") -> TargetError:
    """The core error of a status that is not 2xx; `detail` is a summary that was cleaned already."""
    if status == 429:
        return ThrottledError("the target asks for fewer requests", retry_after_s=retry_after_s(headers))
    if status in _UNAVAILABLE or status >= 500:
        return UnavailableError(f"the target failed with status {status}")
    if status < 400:
        return UnavailableError(f"the target answered with status {status}, which is not an answer")
    if status in (401, 403):
        return RefusedError(f"the target refused access (status {status})")
    tail = f": {detail}" if detail else ""
    return RefusedError(f"the target refused the request (status {status}){tail}")


def retry_after_s(headers: Mapping[bytes, bytes]) -> float | None:
    """Seconds to wait by `retry-after-ms` or `retry-after` (seconds, or a date relative to the answer's own)."""
    milliseconds = _number(headers.get(b"retry-after-ms", b""))
    if milliseconds is not None:
        return min(milliseconds / 1000, MAX_RETRY_AFTER_S)
    given = headers.get(b"retry-after", b"")
    seconds = _number(given)
    if seconds is None and given:
        until = _date_s(given)
        now = _date_s(headers.get(b"date", b""))
        seconds = None if until is None else max(0.0, until - (time.time() if now is None else now))
    return None if seconds is None else min(seconds, MAX_RETRY_AFTER_S)


def _number(text: bytes) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _date_s(text: bytes) -> float | None:
    # Loaded when a date really comes: the mail parser costs more to import than this whole client.
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(text.decode("latin-1")).timestamp()
    except (ValueError, OverflowError):
        return None


def summary(text: object, secret: str | None = None) -> str:
    """What may be passed on of an upstream's message: its first words, without data, addresses, keys, long quotations."""
    if not isinstance(text, str):
        return ""
    text = text[:_MAX_READ]
    if secret:
        text = text.replace(secret, "…")
    words = _DATA.split(text, maxsplit=1)[0]
    cleaned = " ".join(_HIDDEN.sub("…", words).split())
    return cleaned if len(cleaned) <= _MAX_SUMMARY else cleaned[: _MAX_SUMMARY - 1] + "…"
