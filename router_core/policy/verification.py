"""The policy's word on checking an answer before it is returned, and on asking a second target beside a slow first one.

Both are off until an operator turns them on: each spends calls, and a checked answer cannot be streamed while it is written.
Neither widens what a request may reach: every call goes to a target of its own decision.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from router_core.inference import TASKS, TIERS
from router_core.record import dataclass

CHECKS: Final = ("form", "logprobs", "sample", "second", "verifier")
FREE: Final = frozenset({"form", "logprobs"})
"""Those that ask nobody: read from the answer itself, or told with it."""
CLASSES: Final = ("simple", "complex", "critical", "batch")
WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "checks": CHECKS,
    "speculative": CLASSES,
    "tasks": TASKS,
    "tiers": TIERS,
}
"""What the lists in here may hold, by key."""
SHARES: Final = frozenset({"audit", "bad_kept", "keep_above"})
"""Keys whose number is in [0, 1]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """Which `checks` an answer of these `classes`, `tiers` and `tasks` (none named: all) goes through; without checks it is
    off. Answers are kept from the chance `keep_above` on; None takes the fitted bound by which at most `bad_kept` of the
    checked answers are kept although wrong, 0 keeps all and only records. `audit` is the share that is kept whatever the
    checks say, from which the bound is fitted."""

    checks: tuple[str, ...] = ()
    classes: tuple[str, ...] = CLASSES
    tiers: tuple[str, ...] = ("device", "mec")
    tasks: tuple[str, ...] = ()
    bad_kept: float = 0.05
    keep_above: float | None = None
    audit: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hedge:
    """Requests of these `classes` whose first target has not answered within its predicted 95th percentile get the next one
    beside it, those of the `speculative` classes at once; the first good answer wins. `share` bounds the late ones, so
    that a slow day does not double the load."""

    classes: tuple[str, ...] = ()
    speculative: tuple[str, ...] = ()
    share: float = 0.1
