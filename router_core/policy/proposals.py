"""The policy's word on changing itself: whether agents may propose another policy, how far it may differ, and what follows.

Off until an operator turns it on. A policy that may be changed by what was measured under it must bound that change itself:
these keys are among those that no proposal may touch.
"""

from __future__ import annotations

from typing import Final

from router_core.record import dataclass

OFF, PROPOSE, CANARY = "off", "propose", "canary"
PROPOSAL_MODES: Final = (OFF, PROPOSE, CANARY)
BETTER, NOT_WORSE = "better", "not_worse"
CANARY_BARS: Final = (BETTER, NOT_WORSE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposals:
    """`propose` stores what agents draft, for a person; `canary` also tries on `share` of the sessions at most what past requests show
    to be better, or, with `canary_at` not_worse, would decide otherwise and do not show to be worse: then the canary itself is the experiment. Agents look every `every_h` hours. One proposal moves a key by `max_step` of its range (a key that is
    an amount: of its value), and exploration never above `max_exploration`."""

    mode: str = OFF
    every_h: float = 24.0
    max_step: float = 0.1
    canary_at: str = BETTER
    share: float = 0.05
    max_exploration: float = 0.02
