"""The judge stage: a stored answer gets one stored judgement, which then teaches the router.

Whether an answer is judged is drawn from its id by the policy's rate, so that a repeated run draws the same.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

import orjson

from agents.judge.agent import JudgeAgent
from agents.judge.family import family
from agents.judge.verdict import Opinion, Verdict
from gateway.http.ports import Router
from gateway.jobs.answering import announced, request_of
from router_core.inference import InferenceRequest, InferenceResponse
from router_core.jobs.records import NANO, Claim, Step
from router_core.jobs.stages import COMPLETED
from router_core.payload import from_json
from router_core.policy.judging import Judging as Rules


class Judging:
    """Handler of the judge queue."""

    def __init__(self, judge: JudgeAgent, router: Router, rules: Callable[[], Rules] | None = None) -> None:
        """`rules`: those that hold now, where they are not only the policy's."""
        self._judge, self._router = judge, router
        self._rules = rules or (lambda: router.rollout().stable.judging)

    def wanted(self, request: InferenceRequest, response: InferenceResponse) -> bool:
        """Whether the policy wants this answer judged."""
        doubts = {view.name: view.doubt for view in self._router.targets()}
        doubt = doubts.get(response.served.target, 0.0)
        return drawn(request, response, self._rules(), doubt)

    async def work(self, claim: Claim) -> Step:
        request = request_of(claim)
        verdict = await self._judge.judge(request, _answer(claim), self._rules())
        return Step(
            stage=COMPLETED,
            judgement=orjson.dumps(as_told(verdict)),
            score=verdict.quality,
            judge_nano=round(verdict.cost_usd * NANO),
            publish=announced(claim),
        )

    def gave_up(self, claim: Claim, error: BaseException | None, buried: str | None) -> Step:
        """The answer stays what it is; it only has no judgement."""
        skipped = Verdict(skipped=f"the judge failed: {'' if error is None else type(error).__name__}")
        return Step(
            stage=COMPLETED,
            judgement=orjson.dumps(as_told(skipped)),
            publish=announced(claim),
            buried=buried,
        )

    async def stored(self, claim: Claim, step: Step) -> None:
        """The one judgement that was stored is the one that counts."""
        if step.score is not None and claim.job.figures.target is not None:
            await self._router.scored(
                claim.job.tenant, claim.job.request_id, claim.job.figures.target, step.score
            )


def drawn(request: InferenceRequest, response: InferenceResponse, rules: Rules, doubt: float = 0.0) -> bool:
    """Whether these rules want this answer judged; where there is judging, oftener of a target that is in `doubt`."""
    decision = response.decision
    rate = rules.unsure_rate if decision.risk != "low" else rules.rate
    if rate > 0.0:
        rate += doubt * (1.0 - rate)
    if not request.asynchronous:
        rate *= rules.sync_share
    if place(request.request_id) >= rate:
        return False
    text = None if response.output is None else response.output.first.text
    wanted = decision.request_class in rules.classes and response.served.tier in rules.tiers
    return bool(text) and response.status == "completed" and wanted


def place(request_id: str) -> float:
    """Where a request stands in [0, 1), for sampling."""
    return int.from_bytes(sha256(f"judge/{request_id}".encode()).digest()[:6], "big") / 2**48


def as_told(verdict: Verdict) -> dict[str, object]:
    """The judgement as callers see it: the first judge by name, and all of them where there are several."""
    first = verdict.opinions[0] if verdict.opinions else None
    told: dict[str, object] = {
        "rubric": verdict.rubric,
        "target": None if first is None else first.target,
        "model": None if first is None else first.model,
        "family": None if first is None else family(first.model),
        "same_family": first is not None and first.same_family,
        "removed": verdict.removed,
        "cost_usd": verdict.cost_usd,
    }
    if verdict.rival is not None:
        told["beside"] = verdict.rival.target
    if len(verdict.opinions) > 1:
        told |= {
            "judges": [_opinion(one) for one in verdict.opinions],
            "agreement": verdict.agreement,
            "disputed": verdict.disputed,
        }
    if verdict.why_none is not None:
        return {"score": None, "skipped": verdict.why_none, **told}
    reason = verdict.given[0].reason
    return {"score": verdict.score, "criteria": verdict.criteria, "reason": reason, **told}


def _opinion(one: Opinion) -> dict[str, object]:
    score = None if one.scores is None else one.scores.score
    return {"target": one.target, "model": one.model, "family": family(one.model), "score": score}


def _answer(claim: Claim) -> InferenceResponse:
    if claim.job.answer is None:
        raise ValueError("a job without its answer")
    return from_json(InferenceResponse, orjson.loads(claim.job.answer))
