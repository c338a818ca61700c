"""What the policy says of judging: which answers a judge scores, how, and how many judges."""

from __future__ import annotations

from typing import Final

from router_core.inference import TIERS
from router_core.record import dataclass

METHODS: Final = ("rubric", "pairwise", "reference")
MOST_JUDGES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Judging:
    """Shares of the sure and of the `unsure` answers (risk above low) that are judged, of these classes and tiers. Of
    synchronous answers it is `sync_share` of those shares. `method`: by a rubric, against a `reference` answer, or
    `pairwise` against another target's. `judges` of different families give their opinion; where they agree less than
    `agreement`, in [0, 1], the score teaches nothing. `own_family`: where no other may see the case, a judge of the
    answerer's own family does."""

    rate: float = 0.0
    unsure_rate: float = 0.0
    sync_share: float = 0.0
    classes: tuple[str, ...] = ("simple", "complex", "critical", "batch")
    tiers: tuple[str, ...] = TIERS
    method: str = "rubric"
    judges: int = 1
    agreement: float = 0.0
    own_family: bool = False
