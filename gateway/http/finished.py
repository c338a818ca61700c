"""Finished answers, kept in memory for a while so that they can be fetched, judged and reported on by their id.

Bounded by count and by text, oldest out first. Nothing here reaches a disk, so restricted answers may stay as well.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from router_core.inference import InferenceResponse

_MAX_CHARS: Final = 16 * 2**20


class FinishedAnswers:
    """Answers by request id, each with its tenant."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._chars = 0
        self._kept: OrderedDict[str, tuple[str, InferenceResponse, int]] = OrderedDict()
        self._reported: set[str] = set()

    def put(self, tenant: str, response: InferenceResponse) -> None:
        kept = self._kept
        chars = _chars(response)
        kept[response.request_id] = (tenant, response, chars)
        self._chars += chars
        while len(kept) > self._most or (self._chars > _MAX_CHARS and len(kept) > 1):
            request_id, (_, _, oldest) = kept.popitem(last=False)
            self._chars -= oldest
            self._reported.discard(request_id)

    def get(self, tenant: str, request_id: str) -> InferenceResponse | None:
        """None when it is unknown, gone, or another tenant's: the three must look alike."""
        found = self._kept.get(request_id)
        return found[1] if found is not None and found[0] == tenant else None

    def first_report(self, request_id: str) -> bool:
        """True once per kept id, so that a report sent again changes nothing."""
        if request_id in self._reported:
            return False
        if request_id in self._kept:
            self._reported.add(request_id)
        return True


def _chars(response: InferenceResponse) -> int:
    output = response.output
    if output is None:
        return 0
    return sum(len(choice.text or "") for choice in output.choices) + 8 * sum(map(len, output.vectors))
