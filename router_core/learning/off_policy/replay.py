"""Decides every logged request again, under the policy that is tried and the one in force, from the recorded features and
state; and gives each what it needs to be compared: chances, predictions, and what came of it.

The logged chance of a choice is that of all policies which decided in that hour, by their share: while a canary runs,
sessions are dealt out by a hash, so what it chose is evidence for others too (Agarwal, Basu, Schnabel and Joachims,
"Effective evaluation using logged bandit feedback from multiple loggers", KDD 2017).
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from collections.abc import Mapping
from typing import Any, Final

from router_core.context import RequestContext
from router_core.errors import ConfigurationError
from router_core.learning.off_policy.checks import violation
from router_core.learning.off_policy.columns import METRICS, Columns, Counts
from router_core.learning.off_policy.estimators import LEAST_CHANCE, PastModel
from router_core.learning.off_policy.log import Came, Joined
from router_core.policy.document import Policy
from router_core.policy.parse import from_document
from router_core.record import dataclass
from router_core.resources import ResourceState
from router_core.routing.choice import chances
from router_core.routing.constraints import Reasons, is_capacity, permitted
from router_core.routing.objective import Weighed, weigh
from router_core.routing.table import TargetTable, compile_table

TABLES: Final = 512
"""Compiled snapshots kept: workers' logs interleave, so a snapshot comes up again for a while."""
OWN: Final = frozenset({"fast", "pinned"})
Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one policy does with a request: its chances by target index, none where it finds no target."""

    table: TargetTable
    weighed: Weighed
    chances: dict[int, float]
    reasons: Reasons


@dataclass(frozen=True, slots=True, kw_only=True)
class Deal:
    """One logged decision under both policies: the `logged` chances by target index, the target `chosen`, and how much
    likelier the new policy makes each target that either may choose (`moved`)."""

    new: Plan
    old: Plan
    logged: dict[int, float]
    chosen: int
    moved: dict[int, float]

    @property
    def sides(self) -> tuple[tuple[str, Plan], ...]:
        return ("new", self.new), ("old", self.old)

    def tried(self, i: int) -> bool:
        """Whether the log tells anything of this target for such a request."""
        return self.logged.get(i, 0.0) >= LEAST_CHANCE

    def spread(self, chances: dict[int, float], noise: dict[int, float]) -> float:
        """See `Rows.spread`."""
        return sum(
            chance * chance / self.logged[i] * noise[i] for i, chance in chances.items() if self.tried(i)
        )


class Replayer:
    """Takes the log's records in order. `columns` and `counts` hold what was found."""

    def __init__(self, new: Policy, old: Policy, joined: Joined) -> None:
        self._new, self._old, self._joined = new, old, joined
        self._policies: dict[str, Policy | None] = {new.sha256: new, old.sha256: old}
        self._states: OrderedDict[str, Record] = OrderedDict()
        self._tables: OrderedDict[tuple[str, str], TargetTable] = OrderedDict()
        self._past = {metric: PastModel(scaled=metric in ("cost_usd", "latency_ms")) for metric in METRICS}
        self.columns = Columns()
        self.counts = Counts(violations=Counter(), newly_permitted=Counter(), left_out=Counter())

    def fold(self, record: Record) -> None:
        """One record of any kind. What can't be replayed is left out and counted."""
        kind = record.get("kind")
        if kind == "state":
            self._keep_state(record)
        elif kind == "policy":
            self._keep_policy(record)
        elif kind == "decision" and record.get("chosen") is not None:
            try:
                why = self._decision(record)
            except (LookupError, TypeError, ValueError, AttributeError):
                why = "damaged"
            if why is not None:
                self.counts.left_out[why] += 1

    def _decision(self, record: Record) -> str | None:
        """Why the decision is left out, None when it is not."""
        if record["decided_by"] not in OWN:
            return f"decided by {record['decided_by']}"
        came = self._joined.came(record["request_id"])
        if came is None:
            return "no outcome"
        shares = self._joined.shares(record)
        if record["state_sha256"] not in self._states or any(
            self._policies.get(sha256) is None for sha256 in shares
        ):
            return "its state or policy is gone"
        context = RequestContext.from_features(record["features"])
        inflight = tuple((int(index), int(count)) for index, count in record["inflight"])
        plans = {
            sha256: self._plan(record["state_sha256"], sha256, context, inflight)
            for sha256 in {self._new.sha256, self._old.sha256, *shares}
        }
        done = plans[record["policy_sha256"]]
        chosen = done.table.index[record["chosen"]]
        if done.chances.get(chosen) != record["propensity"]:
            return "not repeated by this version"
        logged: dict[int, float] = {}
        for sha256, share in shares.items():
            for i, chance in plans[sha256].chances.items():
                logged[i] = logged.get(i, 0.0) + share * chance
        new, old = plans[self._new.sha256], plans[self._old.sha256]
        moved = {
            i: new.chances.get(i, 0.0) - old.chances.get(i, 0.0)
            for i in new.chances.keys() | old.chances.keys()
        }
        deal = Deal(new=new, old=old, logged=logged, chosen=chosen, moved=moved)
        self._count(context, new, old)
        self.columns.add(context.request_class, context.tenant, self._row(deal, came))
        return None

    def _row(self, deal: Deal, came: Came) -> dict[str, float]:
        row = {
            f"weight.{side}": plan.chances.get(deal.chosen, 0.0) / deal.logged[deal.chosen]
            for side, plan in deal.sides
        }
        seen = (came.quality, came.cost_usd, came.latency_ms, came.failed)
        for metric, figure in zip(METRICS, seen, strict=True):
            row |= self._metric(metric, figure, deal)
        for side, plan in deal.sides:
            for i, chance in plan.chances.items():
                key = f"{side}.{plan.table.targets[i].spec.tier}"
                row[key] = row.get(key, 0.0) + chance
        row["changed"] = 1.0 - sum(
            min(deal.new.chances.get(i, 0.0), deal.old.chances.get(i, 0.0)) for i in deal.moved
        )
        return row

    def _metric(self, metric: str, figure: float, deal: Deal) -> dict[str, float]:
        """What the row says of one metric; the model learns of it afterwards."""
        names, chosen, past = deal.new.table.names, deal.chosen, self._past[metric]
        predicted = _predicted(deal.new, metric)
        said = {i: past(names[i], predicted[i]) for i in (*deal.moved, chosen)}
        noise = {i: past.noise(names[i], _first_noise(metric, said[i])) for i in deal.moved}
        row = {f"{metric}.seen": figure, f"{metric}.expected": said[chosen]}
        for side, plan in deal.sides:
            value = sum(chance * said[i] for i, chance in plan.chances.items())
            # A request without a target has failed.
            row[f"{metric}.{side}"] = value if plan.chances or metric != "errors" else 1.0
            row[f"{metric}.spread.{side}"] = deal.spread(plan.chances, noise)
        row[f"{metric}.spread.difference"] = deal.spread(deal.moved, noise)
        if metric == "quality":
            row |= _untried(deal, said)
        if not math.isnan(figure):
            past.learn(names[chosen], predicted[chosen], figure)
        return row

    def _count(self, context: RequestContext, new: Plan, old: Plan) -> None:
        counts, cap_usd = self.counts, self._new.limits.max_cost_usd
        counts.refused_new += not new.chances
        counts.refused_old += not old.chances
        for i in new.chances:
            broken = violation(context, new.table.targets[i], new.weighed.latency_ms[i], cap_usd)
            if broken is not None:
                counts.violations[broken] += 1
            forbidden = old.reasons[i]
            if forbidden is not None and not is_capacity(forbidden):
                counts.newly_permitted[forbidden.partition(":")[0]] += 1

    def _plan(
        self, state: str, policy: str, context: RequestContext, inflight: tuple[tuple[int, int], ...]
    ) -> Plan:
        table = self._table(state, policy)
        weighed = weigh(context, table, inflight)
        allowed, reasons = permitted(context, table, weighed)
        dealt = chances(context, table, weighed.scores, allowed) if allowed else {}
        return Plan(table=table, weighed=weighed, chances=dealt, reasons=reasons)

    def _table(self, state: str, policy: str) -> TargetTable:
        self._states.move_to_end(state)
        found = self._tables.get((state, policy))
        if found is None:
            used = self._policies[policy]
            if used is None:
                raise LookupError(policy)
            found = compile_table(ResourceState.from_record(self._states[state]), used)
            self._tables[state, policy] = found
            if len(self._tables) > TABLES:
                self._tables.popitem(last=False)
        return found

    def _keep_state(self, record: Record) -> None:
        self._states[str(record.get("sha256"))] = record
        if len(self._states) > 4 * TABLES:
            self._states.popitem(last=False)

    def _keep_policy(self, record: Record) -> None:
        sha256 = str(record.get("sha256"))
        if sha256 not in self._policies:
            try:
                self._policies[sha256] = from_document(record.get("document"))
            except ConfigurationError:
                self._policies[sha256] = None


def _predicted(plan: Plan, metric: str) -> list[float]:
    """What the state says of each target."""
    weighed = plan.weighed
    if metric == "errors":
        return [1.0 - row.reliability for row in plan.table.rows]
    return {
        "quality": weighed.quality, "cost_usd": weighed.cost_usd, "latency_ms": weighed.latency_ms
    }[metric]  # fmt: skip


def _first_noise(metric: str, said: float) -> float:
    """The noise of a chance is that of a coin; costs and times have tails as long as they are large."""
    if metric in ("quality", "errors"):
        chance = min(1.0, max(0.0, said))
        return chance * (1.0 - chance)
    return said * said


def _untried(deal: Deal, said: dict[int, float]) -> dict[str, float]:
    """How much of each policy's choices the log never tried, and the most that may gain or lose."""
    untried = [i for i in deal.moved if not deal.tried(i)]
    row: dict[str, float] = {}
    for side, plan in deal.sides:
        row[f"untried.{side}"] = sum(plan.chances.get(i, 0.0) for i in untried)
        row[f"filled.{side}"] = sum(plan.chances.get(i, 0.0) * said[i] for i in untried)
    row["gain"] = sum(max(0.0, deal.moved[i]) for i in untried)
    row["loss"] = sum(max(0.0, -deal.moved[i]) for i in untried)
    return row
