"""A proposal: another version of the policy, what speaks for it, and what became of it.

It names the policy it was drafted against by hash; once another is in force the evidence no longer speaks of what would
change, so it cannot be accepted any more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, field
from typing import Any, Final, Literal

from agents.proposals.permitted import Moved
from router_core.errors import ConfigurationError
from router_core.policy.document import Policy
from router_core.policy.parse import from_document
from router_core.policy.proposals import BETTER, NOT_WORSE
from router_core.record import dataclass

State = Literal["waiting", "accepted", "canary", "rejected"]
STATES: Final = ("waiting", "accepted", "canary", "rejected")
MAX_WORDS: Final = 500
MAX_EVIDENCE_CHARS: Final = 24_000
UNDECIDED: Final = "not enough evidence"
LEAST_DECISIONS: Final = 100
"""Past decisions without which nothing is tried by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """`by` proposed and `why`; `moved` is all that differs from `base`, `document` the whole policy. `evidence` is the report of
    `tierwise policy simulate`, None where nothing could be simulated. `decided_by` and `reason` say how it ended."""

    id: str
    created_s: float
    by: str
    why: str
    base: str
    base_sha256: str
    moved: tuple[Moved, ...]
    document: Mapping[str, Any]
    evidence: Mapping[str, Any] | None = None
    state: State = "waiting"
    decided_by: str | None = None
    decided_s: float | None = None
    reason: str | None = None
    steps: tuple[Mapping[str, Any], ...] = field(default=())

    @property
    def verdict(self) -> str:
        """The evidence's word."""
        return "not simulated" if self.evidence is None else str(self.evidence.get("verdict"))

    def may_be_tried(self, bar: str) -> bool:
        """Whether the evidence speaks for a canary without a person, by the policy's `canary_at`. What would decide nothing otherwise, or
        changes what a log cannot show, was not weighed, so it is not `not_worse` either."""
        if self.verdict == BETTER or bar != NOT_WORSE or self.evidence is None:
            return self.verdict == BETTER
        seen = self.evidence.get("overall", {})
        enough = seen.get("decisions", 0) >= LEAST_DECISIONS and seen.get("changed", 0.0) > 0.0
        return self.verdict == UNDECIDED and enough and not self.evidence.get("not_visible")

    def policy(self) -> Policy:
        """Parsed and checked anew: what is stored lies outside this process. Raises `ConfigurationError`."""
        return from_document(dict(self.document))

    def summary(self) -> dict[str, Any]:
        """One line of a list."""
        return {
            "id": self.id,
            "created": self.created_s,
            "state": self.state,
            "by": self.by,
            "why": self.why,
            "base": self.base,
            "changes": [one.as_document() for one in self.moved],
            "verdict": self.verdict,
            "decided_by": self.decided_by,
            "reason": self.reason,
        }

    def as_document(self) -> dict[str, Any]:
        """All of it, in JSON types."""
        return {
            **self.summary(),
            "base_sha256": self.base_sha256,
            "document": dict(self.document),
            "evidence": self.evidence,
            "decided": self.decided_s,
            "steps": list(self.steps),
        }


def to_value(proposal: Proposal) -> bytes:
    """For a store."""
    return json.dumps(asdict(proposal), separators=(",", ":"), sort_keys=True).encode()


def from_value(value: bytes) -> Proposal:
    """Raises `ConfigurationError` for what is no proposal."""
    try:
        told = json.loads(value)
        moved = tuple(Moved(**one) for one in told.pop("moved"))
        steps = tuple(told.pop("steps"))
        found = Proposal(moved=moved, steps=steps, **told)
        if found.state not in STATES:
            raise ValueError(found.state)
        return found
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ConfigurationError("a stored proposal cannot be read") from error


def bounded(evidence: Mapping[str, Any]) -> dict[str, Any]:
    """The report, small enough to be kept: the groups with the fewest decisions go first, and their number is told."""
    kept = dict(evidence)
    groups = sorted(kept.get("groups", ()), key=lambda one: one.get("decisions", 0), reverse=True)
    left_out = 0
    while groups and len(json.dumps({**kept, "groups": groups})) > MAX_EVIDENCE_CHARS:
        groups.pop()
        left_out += 1
    return {**kept, "groups": groups, "groups_left_out": left_out}
