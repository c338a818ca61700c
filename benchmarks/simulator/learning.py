"""What learning online brings when a target silently gets worse, and what it loses to judges that lie.

Routers decide the same requests by their own tables; what a choice was worth is the policy's own score with the true quality
in it. Judgements come for a share of the answers and are folded as in a gateway; the table is made anew every few requests.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from benchmarks.simulator.world import EDGE, SPECS, TRUTH, Truth, contexts, policy
from router_core.context import RequestContext
from router_core.learning.online_learner import Judged, OnlineLearner
from router_core.policy.document import Policy
from router_core.resources import ResourceState, Target, TargetSpec, TargetState
from router_core.routing.decide import decide
from router_core.routing.objective import objective_of, weigh
from router_core.routing.table import TargetTable, compile_table

USED: Final = policy("balanced", explore=0.02, quality=0.6, latency=0.2, cost=0.2)
FRESH: Final = 10
"""Requests between two snapshots."""
JUDGES: Final = 20
FALL: Final = 0.4
"""What the edge loses of its quality by the drift."""
Score = Callable[[float, random.Random], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """So many requests, of which `judged` get a judgement; from `drift_at` on the edge is worse by `FALL`. `liars` of the
    judges lie, by `lie`. The judge errs on `noise` of the others' answers."""

    seed: int
    requests: int = 3_000
    drift_at: int | None = None
    judged: float = 0.3
    liars: int = 0
    lie: str = "invert"
    noise: float = 0.0

    def rate(self, doubt: float) -> float:
        """The share that is judged: more of the answers of a target that is doubted, as a gateway does."""
        return self.judged + doubt * (1.0 - self.judged)


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """Mean true score per request since `drift_at` (or the start): of what each router chose, and of the best choice."""

    frozen: float
    learning: float
    told: float
    best: float

    @property
    def regret(self) -> float:
        """What the learning router loses against the best choice of each request."""
        return self.best - self.learning


def drifted(truth: Truth = TRUTH) -> Truth:
    """The same world, the edge worse."""
    return replace(truth, level={**truth.level, EDGE: truth.level[EDGE] - FALL})


def play(stream: Stream) -> Worth:
    """Three routers over one stream: one that never learns, one that learns, one that is told of the drift."""
    chance = random.Random(stream.seed)
    learner = OnlineLearner(SPECS)
    frozen = table_with(learner, USED)
    told, table = frozen, frozen
    sums = {"frozen": 0.0, "learning": 0.0, "told": 0.0, "best": 0.0}
    truth = TRUTH
    for number, asked in enumerate(islice(contexts(stream.seed, "s"), stream.requests)):
        if number == stream.drift_at:
            truth, told = drifted(), table_with(OnlineLearner(_told(SPECS)), USED, _told(SPECS))
            sums = dict.fromkeys(sums, 0.0)
        judge = chance.randrange(JUDGES)
        context = replace(asked, tenant=f"judge-{judge}")
        worth = true_scores(context, frozen, truth)
        chosen = decide(context, table).target
        sums["frozen"] += worth[decide(context, frozen).target]
        sums["told"] += worth[decide(context, told).target]
        sums["learning"] += worth[chosen]
        sums["best"] += max(worth.values())
        learner.decided(context)
        if chance.random() < stream.rate(learner.drift.doubt(chosen)):
            score = _score(stream, judge, truth.quality(context, chosen), chosen, chance)
            learner.judged(
                Judged(
                    request_id=context.request_id,
                    tenant=context.tenant,
                    target=chosen,
                    source="judge",
                    score=score,
                )
            )
        if number % FRESH == FRESH - 1:
            table = table_with(learner, USED)
    counted = stream.requests - (stream.drift_at or 0)
    return Worth(**{name: total / counted for name, total in sums.items()})


def table_with(learner: OnlineLearner, used: Policy, specs: tuple[TargetSpec, ...] = SPECS) -> TargetTable:
    """The snapshot that a gateway with this learner would have."""
    made = []
    for spec in specs:
        fit = learner.fit(spec.name)
        doubt = round(learner.drift.doubt(spec.name), 1)
        learned = fit[1:] if any(fit[1:]) else ()
        state = TargetState(health="up", quality_delta=fit[0], quality_fit=learned, doubt=doubt)
        made.append(Target(spec=spec, state=state))
    return compile_table(ResourceState.of(tuple(made)), used)


def true_scores(context: RequestContext, table: TargetTable, truth: Truth) -> Mapping[str, float]:
    """The policy's score of each target, had it known the truth."""
    weighed = weigh(context, table, ())
    share = objective_of(context, table).quality
    return {
        name: weighed.scores[i] + share * (truth.quality(context, name) - weighed.quality[i])
        for i, name in enumerate(table.names)
    }


def _told(specs: tuple[TargetSpec, ...]) -> tuple[TargetSpec, ...]:
    return tuple(
        replace(spec, quality_default=spec.quality_default - FALL) if spec.name == EDGE else spec
        for spec in specs
    )


def _score(stream: Stream, judge: int, quality: float, chosen: str, chance: random.Random) -> float:
    good = float(chance.random() < quality)
    if judge < stream.liars:
        return 1.0 - good if stream.lie == "invert" else float(chosen != EDGE)
    return 1.0 - good if chance.random() < stream.noise else good
