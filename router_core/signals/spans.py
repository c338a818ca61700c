"""A place in a text that holds personal or secret data, and how overlapping finds become one answer."""

from __future__ import annotations

from collections.abc import Iterable

from router_core.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PiiSpan:
    """`text[start:end]` is of `kind`. `checksum`: a check digit vouches for it, so it is hardly a coincidence."""

    kind: str
    start: int
    end: int
    checksum: bool = False

    @property
    def length(self) -> int:
        """Characters covered."""
        return self.end - self.start


def settle(found: list[PiiSpan]) -> tuple[PiiSpan, ...]:
    """Ordered, disjoint spans. Of an overlapping group the longest names the kind (then the one with a
    checksum, then the first found), and the group's whole extent is kept: no flagged character is let go."""
    if len(found) < 2:
        return tuple(found)
    settled: list[PiiSpan] = []
    group: list[PiiSpan] = []
    end = -1
    for span in sorted(found, key=lambda each: each.start):
        if group and span.start >= end:
            settled.append(_merge(group, end))
            group = []
        group.append(span)
        end = max(end, span.end) if len(group) > 1 else span.end
    settled.append(_merge(group, end))
    return tuple(settled)


def _merge(group: list[PiiSpan], end: int) -> PiiSpan:
    best = max(group, key=lambda span: (span.length, span.checksum))
    if best.start == group[0].start and best.end == end:
        return best
    return PiiSpan(kind=best.kind, start=group[0].start, end=end, checksum=best.checksum)


def at(kind: str, where: tuple[int, int], *, checksum: bool = False) -> PiiSpan:
    """A span from a match's `span()`."""
    return PiiSpan(kind=kind, start=where[0], end=where[1], checksum=checksum)


def kinds_of(spans: Iterable[PiiSpan]) -> tuple[str, ...]:
    """The distinct kinds, sorted."""
    return tuple(sorted({span.kind for span in spans}))
