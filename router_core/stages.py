"""The stage table: the one path of a request as named steps with exact inputs and outputs.

In one process `agents/pipeline.py` walks it; as a workflow each stage is a function and the state machine is made
from this table, so a stage that is added here gets its function, its state and its place by itself.
"""

from __future__ import annotations

from typing import Final

from router_core.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One step. `takes` and `gives` name records of `agents/staged/stages.py`; `timeout_s` bounds one run; `retries` is how
    often a host that failed (not a tier) is asked again; `skipped_on_hit` stages are passed over when the cache had the
    answer; a stage that `falls_back` is run again for the next target of the decision when a tier fails."""

    name: str
    takes: tuple[str, ...]
    gives: str
    timeout_s: int
    retries: int = 2
    skipped_on_hit: bool = False
    falls_back: bool = False


STAGES: Final = (
    Stage(name="context", takes=("request",), gives="context", timeout_s=10),
    Stage(name="resource", takes=("request",), gives="resources", timeout_s=10),
    Stage(name="router", takes=("request", "context", "resources"), gives="decision", timeout_s=10),
    Stage(name="cache", takes=("request", "context", "resources", "decision"), gives="lookup", timeout_s=10),
    Stage(
        name="execute",
        takes=("request", "context", "resources", "decision", "lookup"),
        gives="execution",
        timeout_s=120,
        skipped_on_hit=True,
        falls_back=True,
    ),
    Stage(
        name="monitor",
        takes=("request", "context", "resources", "decision", "lookup", "execution"),
        gives="answer",
        timeout_s=20,
    ),
)
NAMES: Final = tuple(stage.name for stage in STAGES)
