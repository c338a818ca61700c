"""From the log's records to a verdict: both readings, in order, without ever holding the log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from router_core.learning.off_policy.log import MOST, Joined
from router_core.learning.off_policy.replay import Replayer
from router_core.learning.off_policy.verdict import Evidence, evidence
from router_core.policy.diff import diff
from router_core.policy.document import Policy
from router_core.record import dataclass

READ_BY: Final = ("class_rules", "compliance", "raise_privacy_by_pii", "limits.max_output_tokens")
"""What decides how a request is read: its features are recorded as they were read then."""
RUN_BY: Final = (
    "retry",
    "breaker",
    "cache",
    "limits.attempts",
    "limits.deadline_ms",
    "limits.stream_idle_ms",
)
"""What decides how a choice is carried out, which replaying the choice can't show."""
Reading = Callable[[], Iterable[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Whether `new` may replace `old`, from records of `since_s` (epoch seconds) on."""

    new: Policy
    old: Policy
    since_s: float = 0.0
    tolerance: float = 0.0
    most: int = MOST


def answer(
    question: Question, read: Reading, progress: Callable[[int, int], None] = lambda done, total: None
) -> Evidence:
    """`read` gives the log anew each time it is called. `progress` is told decisions done, and in all."""
    joined = Joined(question.most)
    for record in read():
        if _recent(record, question.since_s):
            joined.fold(record)
    replayer = Replayer(question.new, question.old, joined)
    done = 0
    progress(0, joined.decisions)
    for record in read():
        if record.get("kind") in ("state", "policy"):
            replayer.fold(record)
        elif record.get("kind") == "decision" and _recent(record, question.since_s):
            replayer.fold(record)
            done += record.get("chosen") is not None
            if not done % 500:
                progress(done, joined.decisions)
    progress(joined.decisions, joined.decisions)
    return evidence(
        replayer.columns,
        replayer.counts,
        (question.new.label, question.old.label),
        question.tolerance,
        blind(question.new, question.old),
    )


def blind(new: Policy, old: Policy) -> tuple[str, ...]:
    """Keys in which the policies differ and whose effect no log can show."""
    changed = (change.key for change in diff(old, new))
    return tuple(key for key in changed if key.startswith(READ_BY + RUN_BY))


def _recent(record: Mapping[str, Any], since_s: float) -> bool:
    time_s = record.get("time")
    return isinstance(time_s, int | float) and time_s >= since_s
