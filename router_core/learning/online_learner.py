"""Takes judgements in: whom to believe, what a score is worth, and what it says of the target.

Live and from the log it is the same code on the same values, so that a checkpoint can be made again from the records, or be
made differently, without somebody whose judgements turned out to be false.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Mapping
from typing import Any, Final

from router_core.context import RequestContext
from router_core.learning.drift import Drift
from router_core.learning.judge_correction import TRUTH, Audit
from router_core.learning.online import (
    KEPT,
    Residual,
    changed,
    coefficients,
    describe,
    fold,
    merge,
    nothing,
    without,
)
from router_core.learning.quarantine import Quarantine
from router_core.policy.parse import from_document
from router_core.record import dataclass
from router_core.resources import TargetSpec
from router_core.routing.table import expected_quality

REMEMBERED: Final = 1000
"""Judgements that can be taken back; older ones have faded to less than a hundredth."""
RECENT: Final = 4096
"""Requests whose features are known until they are judged; of later judgements only the target counts."""
LARGEST: Final = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One judgement as its record tells it; `score` in [0, 1]."""

    request_id: str
    tenant: str
    target: str
    source: str
    score: float

    @property
    def subject(self) -> str:
        """Who is answerable for it: a check is the target's own word, everything else the tenant's or its judge's."""
        return f"{self.source}:{self.target}" if self.source == TRUTH else f"{self.source}:{self.tenant}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A judgement that was folded, the `number`th of its target."""

    subject: str
    target: str
    number: int
    features: tuple[float, ...]
    left_over: float
    weight: float


class OnlineLearner:
    """What judgements teach of the targets that `specs` describe. `known` is what is believed; `take` gives what came since
    it was last called, for other processes, and `hear` takes theirs. Of a subject that goes into quarantine, what it said
    lately is taken back."""

    def __init__(self, specs: Iterable[TargetSpec]) -> None:
        self._specs = {spec.name: spec for spec in specs}
        self._recent: OrderedDict[str, tuple[RequestContext, float]] = OrderedDict()
        self._fresh: dict[str, Residual] = {}
        self._fits: dict[str, tuple[float, ...]] = {}
        self._told: deque[Told] = deque(maxlen=REMEMBERED)
        self._counts: Counter[str] = Counter()
        self._held: set[str] = set()
        self.known: dict[str, Residual] = {}
        self.audit = Audit()
        self.quarantine = Quarantine()
        self.drift = Drift()

    def decided(self, context: RequestContext, scored: float = 0.0) -> None:
        """Remember a request until it is judged, with how far its policy goes by the scorer; well below a microsecond."""
        recent = self._recent
        recent[context.request_id] = context, scored
        if len(recent) > RECENT:
            recent.popitem(last=False)

    def judged(self, judged: Judged) -> bool:
        """Whether the judgement was learned from."""
        spec = self._specs.get(judged.target)
        if spec is None or not 0.0 <= judged.score <= 1.0:
            return False
        context, scored = self._recent.get(judged.request_id) or (None, 0.0)
        features = describe(context)
        prior = expected_quality(spec, context, scored)
        said = sum(weight * x for weight, x in zip(self.fit(judged.target), features, strict=True))
        self.quarantine.note(judged.target, judged.subject, judged.score, min(1.0, max(0.0, prior + said)))
        if self._is_held(judged.subject):
            return False
        weight = self.quarantine.trust(judged.target, judged.subject)
        self.audit.note(judged.request_id, judged.source, judged.score)
        score = self.audit.corrected(judged.source, judged.score)
        if score is None:
            return False
        left_over = min(LARGEST, max(-LARGEST, score - prior))
        for sums in (self.known, self._fresh):
            sums[judged.target] = fold(sums.get(judged.target) or nothing(), features, left_over, weight)
        self._fits.pop(judged.target, None)
        self._counts[judged.target] += 1
        self._told.append(
            Told(
                subject=judged.subject,
                target=judged.target,
                number=self._counts[judged.target],
                features=features,
                left_over=left_over,
                weight=weight,
            )
        )
        expected = min(1.0, max(0.0, prior + said))
        since = self.drift.note(judged.target, judged.subject, score, expected, weight)
        if since:
            self._changed(judged.target, since)
        return True

    def _changed(self, target: str, count: int) -> None:
        """The target is not what it was: its last `count` judgements are what speaks of it."""
        lately = [told for told in self._told if told.target == target][-count:]
        since = nothing()
        for told in lately:
            since = fold(since, told.features, told.left_over, told.weight)
        for sums in (self.known, self._fresh):
            sums[target] = changed(sums.get(target) or nothing(), since)
        self._fits.pop(target, None)

    def _is_held(self, subject: str) -> bool:
        """Whether the subject is in quarantine; when it has just come there, its judgements are taken back."""
        if not self.quarantine.holds(subject):
            self._held.discard(subject)
            return False
        if subject not in self._held:
            self._held.add(subject)
            for one in [told for told in self._told if told.subject == subject]:
                self._take_back(one)
        return True

    def _take_back(self, told: Told) -> None:
        self._told.remove(told)
        faded = told.weight * KEPT ** (self._counts[told.target] - told.number)
        for sums in (self.known, self._fresh):
            # What was handed on already is taken back from the others with the next exchange.
            before = sums.get(told.target) or nothing()
            sums[told.target] = without(before, told.features, told.left_over, faded)
        self._fits.pop(told.target, None)

    def fit(self, target: str) -> tuple[float, ...]:
        """The target's coefficients; solved anew only after something was learned."""
        found = self._fits.get(target)
        if found is None:
            found = self._fits[target] = coefficients(self.known.get(target) or nothing())
        return found

    def take(self) -> dict[str, Residual]:
        """What was learned here since the last call."""
        taken, self._fresh = self._fresh, {}
        return taken

    def hear(self, target: str, whole: Residual) -> None:
        """What all processes know of a target, this one's taken sums included."""
        fresh = self._fresh.get(target)
        self.known[target] = whole if fresh is None else merge(whole, fresh)
        self._fits.pop(target, None)

    def give_back(self, target: str, taken: Residual) -> None:
        """What was taken could not be handed on: it goes with the next."""
        fresh = self._fresh.get(target)
        self._fresh[target] = taken if fresh is None else merge(taken, fresh)


def learn(specs: Iterable[TargetSpec], records: Iterable[Mapping[str, Any]]) -> OnlineLearner:
    """The learner that these records make, in their order: the same, to the bit, as the one that was there live. Policies
    come before the decisions that name them, as the monitor writes them."""
    learner, scored = OnlineLearner(specs), dict[str, float]()
    for record in records:
        if record["kind"] == "policy":
            scored[record["sha256"]] = from_document(record["document"]).scorer.share
        elif record["kind"] == "decision" and record.get("chosen") is not None:
            context = RequestContext.from_features(record["features"])
            learner.decided(context, scored[record["policy_sha256"]])
        elif record["kind"] == "quality":
            learner.judged(
                Judged(
                    request_id=record["request_id"],
                    tenant=record["tenant"],
                    target=record["target"],
                    source=record["source"],
                    score=float(record["score"]),
                )
            )
    return learner
