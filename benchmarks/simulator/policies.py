"""How often intervals hold, and how often a worse policy would be let through, over thousands of logs of a known world."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Final

import numpy as np

from benchmarks.simulator.pool import pool
from benchmarks.simulator.world import TRUTH, Log, Truth, contexts, dealt, policy, table_of
from router_core.learning.off_policy.estimators import Rows, value
from router_core.learning.off_policy.run import Question, answer
from router_core.learning.off_policy.verdict import LEAST_EFFECTIVE, LEAST_JUDGED, Word
from router_core.policy.document import Policy
from router_core.routing.table import TargetTable

LOOKS: Final = 20
STABLE: Final = {"explore": policy("stable", explore=0.1), "canary": policy("stable")}
"""What made the logs: exploration of 10%, or a canary beside a policy without chance."""
CANARY: Final = 0.1
BETTER: Final = policy("better", quality=0.9, latency=0.05, cost=0.05)
WORSE: Final = {
    "much worse": policy("frugal", cost=0.9, latency=0.1),
    "a little worse": policy("thrifty", quality=0.4, cost=0.5, latency=0.1),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """Shares of logs: in which the interval for one look held the truth, the sequence at every look, and the policy
    passed at one look at least. `gain` is the truth."""

    log: str
    candidate: str
    gain: float
    held: float
    held_always: float
    passed: float


def studies(logs: int, size: int) -> list[Study]:
    """Every candidate against every kind of log."""
    candidates = {"better": BETTER, **WORSE}
    return [
        study(kind, name, candidate, logs, size) for kind in STABLE for name, candidate in candidates.items()
    ]


def study(kind: str, name: str, candidate: Policy, logs: int, size: int) -> Study:
    """One candidate, looked at `LOOKS` times while its log grows to `size` judged decisions."""
    made = pool(candidate, STABLE[kind], canary=CANARY if kind == "canary" else 0.0)
    looks = np.unique(np.geomspace(LEAST_JUDGED, size, LOOKS).astype(int))
    held = always = passed = 0
    for rows in made.logs(7, size, logs):
        found = [value(_first(rows, count)) for count in looks]
        sure = [one for one in found if one.effective >= LEAST_EFFECTIVE]
        held += made.gain in found[-1].interval
        always += all(made.gain in one.sequence for one in sure)
        passed += any(one.sequence.low > 0.0 for one in sure)
    return Study(
        log=kind,
        candidate=name,
        gain=made.gain,
        held=held / logs,
        held_always=always / logs,
        passed=passed / logs,
    )


def _first(rows: Rows, count: int) -> Rows:
    where = np.arange(rows.seen.size) < count
    return rows.of(where)


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """Logs as records, judged by the command's own code: verdicts, how often the interval held, broken constraints."""

    verdicts: dict[Word, int]
    held: float
    violations: int


def whole(candidate: Policy, logs: int, size: int, truth: Truth = TRUTH) -> Whole:
    """Requests decided by the router, answered, judged, recorded, read back and decided again."""
    stable = STABLE["explore"]
    table, other = table_of(stable), table_of(candidate)
    verdicts: dict[Word, int] = {"better": 0, "worse": 0, "not enough evidence": 0}
    held = violations = 0
    gain = _gain(table, other, truth)
    for seed in range(logs):
        log = Log(truth=truth, chance=random.Random(seed))
        records = list(log.preface(stable))
        for context in islice(contexts(1_000 + seed), size):
            records += log.records(context, table)
        found = answer(Question(new=candidate, old=stable), partial(iter, records))
        verdicts[found.verdict.word] += 1
        held += gain in found.overall.gain.interval
        violations += found.violations
    return Whole(verdicts=verdicts, held=held / logs, violations=violations)


def _gain(table: TargetTable, other: TargetTable, truth: Truth, size: int = 20_000) -> float:
    total = 0.0
    for context in islice(contexts(5, "truth"), size):
        for name, chance in dealt(context, other).items():
            total += chance * truth.quality(context, name)
        for name, chance in dealt(context, table).items():
            total -= chance * truth.quality(context, name)
    return total / size
