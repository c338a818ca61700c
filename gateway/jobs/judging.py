"""The judge stage: a stored answer gets one stored judgement, which then teaches the router.

Whether an answer is judged is drawn from its id by the policy's rate, so that a repeated run draws the same.
"""

from __future__ import annotations

from hashlib import sha256

import orjson

from agents.judge.agent import JudgeAgent, Verdict
from agents.judge.family import family
from gateway.http.ports import Router
from gateway.jobs.answering import announced, request_of
from router_core.inference import InferenceRequest, InferenceResponse
from router_core.jobs.records import NANO, Claim, Step
from router_core.jobs.stages import COMPLETED
from router_core.payload import from_json


class Judging:
    """Handler of the judge queue."""

    def __init__(self, judge: JudgeAgent, router: Router) -> None:
        self._judge, self._router = judge, router

    def wanted(self, request: InferenceRequest, response: InferenceResponse) -> bool:
        """Whether the policy wants this answer judged."""
        rules = self._router.rollout().stable.judging
        text = None if response.output is None else response.output.first.text
        if not text or response.status != "completed" or response.decision.request_class not in rules.classes:
            return False
        rate = rules.unsure_rate if response.decision.risk != "low" else rules.rate
        return place(request.request_id) < rate

    async def work(self, claim: Claim) -> Step:
        request = request_of(claim)
        rules = self._router.rollout().stable.judging
        verdict = await self._judge.judge(request, _answer(claim), own_family=rules.own_family)
        return Step(
            stage=COMPLETED,
            judgement=orjson.dumps(as_told(verdict)),
            score=None if verdict.scores is None else verdict.scores.score,
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


def place(request_id: str) -> float:
    """Where a request stands in [0, 1), for sampling."""
    return int.from_bytes(sha256(f"judge/{request_id}".encode()).digest()[:6], "big") / 2**48


def as_told(verdict: Verdict) -> dict[str, object]:
    """The judgement as callers see it."""
    told: dict[str, object] = {
        "rubric": verdict.rubric,
        "target": verdict.target,
        "model": verdict.model,
        "family": None if verdict.model is None else family(verdict.model),
        "same_family": verdict.same_family,
        "removed": verdict.removed,
        "cost_usd": verdict.cost_usd,
    }
    if verdict.scores is None:
        return {"score": None, "skipped": verdict.skipped, **told}
    scores = verdict.scores
    return {"score": scores.score, "criteria": scores.criteria, "reason": scores.reason, **told}


def _answer(claim: Claim) -> InferenceResponse:
    if claim.job.answer is None:
        raise ValueError("a job without its answer")
    return from_json(InferenceResponse, orjson.loads(claim.job.answer))
