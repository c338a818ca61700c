"""Ends a text at the first stop string, which may come in pieces, and keeps the string itself out of it."""

from __future__ import annotations


class StopStrings:
    """Holds back what may be the beginning of a stop string until it is known."""

    def __init__(self, stops: tuple[str, ...]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._held = ""

    def passed(self, text: str, *, last: bool) -> tuple[str, bool]:
        """What may be shown now, and whether a stop string ended it."""
        if not self._stops:
            return text, False
        held = self._held + text
        ends = [place for stop in self._stops if (place := held.find(stop)) >= 0]
        if ends:
            self._held = ""
            return held[: min(ends)], True
        keep = 0 if last else max(_begun(held, stop) for stop in self._stops)
        self._held = held[len(held) - keep :]
        return held[: len(held) - keep], False


def _begun(text: str, stop: str) -> int:
    """How many characters at the end of the text are the beginning of the stop string."""
    return next(
        (size for size in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:size])), 0
    )
