"""What the device's model says of a text beside its commands, for those who may ask it: a privacy scan and an opinion.

The scan is a `TextScan` like the service in the cloud, but nothing leaves the device. It finds what patterns cannot,
names and street addresses; what it finds is added to what rules found, so it can raise a request's privacy and never
lower it. It costs a run of the network for every 200 characters and is asked only where somebody plugged it in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from edge_runtime.engines.intent_network import About
from edge_runtime.engines.onnx_intent import OnnxIntentEngine
from edge_runtime.engines.owner import OwnerBusyError, OwnerClosedError, OwnerThread
from router_core.errors import NotTakenError, StoreError
from router_core.ports import Remarks
from router_core.signals.sensitivity import PiiSpan
from router_core.signals.spans import at, kinds_of, settle

LANGUAGE: Final = "en"
WINDOW: Final = 200
"""Characters of about the longest sentences that it learnt from."""
LONGEST: Final = 4_000
"""Characters beyond which a text is not taken: twenty runs of the network are enough for advice."""

KIND_OF: Final[Mapping[str, str]] = {
    "PERSON": "name", "ADDRESS": "address", "PHONE": "phone", "EMAIL": "email", "IDNUMBER": "national_id",
    "BIRTHDATE": "date_of_birth",
}  # fmt: skip
_SENTENCE: Final = re.compile(r"[.!?\n]\s")
_BREAK: Final = re.compile(r"\s")


class SecondOpinion:
    """A `TextScan` over the model on this device; runs on the model's own thread."""

    def __init__(self, engine: OnnxIntentEngine, owner: OwnerThread) -> None:
        self._engine, self._owner = engine, owner

    async def remarks(self, text: str, language: str, last: str | None = None) -> Remarks:
        """Kinds of personal data in the whole text; of moods it knows nothing. Raises as the port says."""
        if language != LANGUAGE or len(text) > LONGEST:
            raise NotTakenError("the device model reads English of up to 4,000 characters")
        return Remarks(kinds=kinds_of(await self._run(text)))

    async def about(self, text: str) -> About:
        """Task, difficulty and whether it is a command, of the beginning of the text. Raises `StoreError`."""
        try:
            return await self._owner.run(self._engine.about, text)
        except (OwnerBusyError, OwnerClosedError) as error:
            raise StoreError("the device model has no time for an opinion") from error

    async def _run(self, text: str) -> tuple[PiiSpan, ...]:
        try:
            return await self._owner.run(personal_data, self._engine, text)
        except (OwnerBusyError, OwnerClosedError) as error:
            raise StoreError("the device model has no time for an opinion") from error


def personal_data(engine: OnnxIntentEngine, text: str) -> tuple[PiiSpan, ...]:
    """What the model marks in the whole text, by the kinds of `router_core.signals.sensitivity`."""
    return tuple(
        at(KIND_OF[span.slot], (start + span.start, start + span.end))
        for start, window in _windows(text)
        for span in engine.about(window).personal
    )


def united(by_rules: tuple[PiiSpan, ...], by_model: tuple[PiiSpan, ...]) -> tuple[PiiSpan, ...]:
    """Both finds as one answer: whatever either flagged stays flagged."""
    return settle([*by_rules, *by_model])


def _windows(text: str) -> Iterator[tuple[int, str]]:
    """Pieces of the text with their places, parted behind a sentence, or else at white space where there is some."""
    start = 0
    while start < len(text):
        end = min(len(text), start + WINDOW)
        if end < len(text):
            sentences, words = (
                [found.end() for found in mark.finditer(text, start + WINDOW // 3, end)]
                for mark in (_SENTENCE, _BREAK)
            )
            end = (sentences or words or [end])[-1]
        yield start, text[start:end]
        start = end
