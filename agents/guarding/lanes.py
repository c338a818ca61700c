"""One alternative of a stream that is held back until it is judged.

A lane collects chunks until they fill a window, has the window judged together with the end of what went before, and lets go of
the chunks that are clear. Tool calls are judged whole, because half an argument means nothing. A value that the window may have
cut is kept for the next one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from agents.guarding.judging import FILTERED, Judging, spelling
from agents.streaming import Accepted
from router_core.execution import Choice, Chunk
from router_core.signals.sensitivity import scan

TAIL_CHARS: Final = 400
"""How much of what went out is judged again with the next window, so that nothing hides at a border."""
KEPT_CHARS: Final = 128
"""How much stays back where values are looked for: longer than what a window's end may cut one of."""


class Lane:
    """`changed`: what went out differs from what the target wrote."""

    def __init__(self, index: int, judging: Judging) -> None:
        self._index, self._judging = index, judging
        self._held: list[Chunk] = []
        self._text = ""
        self._tail = ""
        self._calls = False
        self._out = Accepted()
        self.refused = False
        self.changed = False

    @property
    def sent(self) -> Choice:
        """What went out."""
        choices = self._out.output().choices
        if self.refused:
            kept = choices[0] if choices else Choice(index=self._index, text="")
            return replace(kept, text=kept.text or "", finish_reason=FILTERED)
        return choices[0] if choices else Choice(index=self._index, text="")

    async def take(self, chunk: Chunk) -> list[Chunk]:
        """Hold the chunk; give back what may go out now."""
        if self.refused:
            return []
        if chunk.usage is not None:
            return [chunk]
        self._held.append(chunk)
        self._text += _words(chunk)
        self._calls = self._calls or bool(chunk.tool_calls)
        if chunk.finish_reason is not None:
            return await self.flush()
        if self._calls or len(self._text) < self._judging.window_chars + self._kept:
            return []
        return await self._judged(self._clear_chars())

    async def flush(self) -> list[Chunk]:
        """Judge and give back all that is held."""
        return await self._judged(len(self._text)) if self._held else []

    @property
    def _kept(self) -> int:
        return KEPT_CHARS if self._judging.scans else 0

    def _clear_chars(self) -> int:
        """Up to where the held text may go out: not into a value that goes on behind it."""
        cut = len(self._text) - self._kept
        if self._judging.scans:
            for span in scan(self._text):
                if span.start < cut < span.end or span.end == len(self._text):
                    cut = min(cut, span.start)
        return cut

    async def _judged(self, cut: int) -> list[Chunk]:
        if not await self._judging.passes(self._tail + self._text):
            self.refused = self.changed = True
            self._held.clear()
            return [Chunk(index=self._index, finish_reason=FILTERED)]
        going = self._taken(cut)
        words = "".join(map(_words, going))
        self._text = self._text[len(words) :]
        self._tail = (self._tail + words)[-TAIL_CHARS:]
        going = self._cleaned(going)
        for chunk in going:
            self._out.add(chunk)
        return going

    def _taken(self, cut: int) -> list[Chunk]:
        """Whole chunks up to the cut; all of them when it is at the end."""
        if cut >= len(self._text):
            going, self._held = self._held, []
            return going
        end, count = 0, 0
        for chunk in self._held:
            end += len(_words(chunk))
            if end > cut:
                break
            count += 1
        going, self._held = self._held[:count], self._held[count:]
        return going

    def _cleaned(self, going: list[Chunk]) -> list[Chunk]:
        """The chunks, or one in their place where values had to be taken out."""
        if not self._judging.scans or not going:
            return going
        whole = Accepted()
        for chunk in going:
            whole.add(chunk)
        choice = whole.output().choices[0]
        clean = self._judging.cleaned(choice)
        if clean is choice and all(chunk.json is None or self._judging.clean(chunk.json) for chunk in going):
            return going
        self.changed = True
        calls = tuple({**call, "index": number} for number, call in enumerate(clean.tool_calls))
        made = Chunk(
            index=self._index,
            text=clean.text or "",
            reasoning=clean.reasoning or "",
            refusal=clean.refusal or "",
            tool_calls=calls,
        )
        end = going[-1].finish_reason
        return [made] if end is None else [made, Chunk(index=self._index, finish_reason=end)]


def _words(chunk: Chunk) -> str:
    calls = [call.get("function") or {} for call in chunk.tool_calls]
    given = "".join([text for call in calls for text in (call.get("name"), call.get("arguments")) if text])
    structured = "" if chunk.json is None else spelling(chunk.json)
    return chunk.text + chunk.reasoning + chunk.refusal + given + structured
