"""The inference stage: a stored request becomes a stored answer, or the problem that says why there is none."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import orjson

from gateway.http.problems import problem_of
from gateway.http.serving import Serving
from router_core.errors import LostError
from router_core.inference import InferenceRequest, InferenceResponse
from router_core.jobs.records import NANO, Claim, Figures, Step
from router_core.jobs.stages import COMPLETED, FAILED, JUDGE, JUDGING, WEBHOOKS
from router_core.own_key import OwnKey, holding
from router_core.payload import from_json, to_json

NOBODY_SAID: Final = "the request was given up: every worker that tried it ended without an answer"


Answer = Callable[[InferenceRequest], Awaitable[InferenceResponse]]
OpenKey = Callable[[Claim, str | None], Awaitable[OwnKey | None]]


async def _no_key(claim: Claim, target: str | None) -> OwnKey | None:
    return None


class Answering:
    """Handler of the inference queue. `judged` says which answers go to a judge, `line` answers what is a line of a batch,
    `open_key` gives the caller's own key of a message that carries one."""

    def __init__(
        self,
        serving: Serving,
        judged: Callable[[InferenceRequest, InferenceResponse], bool],
        line: Answer | None = None,
        open_key: OpenKey = _no_key,
    ) -> None:
        self._serving, self._judged = serving, judged
        self._line, self._open_key = line or serving.answer, open_key

    async def work(self, claim: Claim) -> Step:
        request = request_of(claim)
        answer_it = self._serving.answer if claim.job.batch is None else self._line
        # Also where there is none: a worker may have been started by a request that held one.
        with holding(await self._open_key(claim, request.preferences.target)):
            response = await answer_it(request)
        answer = orjson.dumps(to_json(response))
        if self._judged(request, response):
            return Step(stage=JUDGE, answer=answer, figures=figures_of(response), publish=(JUDGING,))
        return Step(stage=COMPLETED, answer=answer, figures=figures_of(response), publish=announced(claim))

    def gave_up(self, claim: Claim, error: BaseException | None, buried: str | None) -> Step:
        shown = error if isinstance(error, Exception) else LostError(NOBODY_SAID)
        problem = problem_of(shown).members(claim.job.request_id)
        return Step(stage=FAILED, problem=orjson.dumps(problem), publish=announced(claim), buried=buried)

    async def stored(self, claim: Claim, step: Step) -> None:
        return None


def request_of(claim: Claim) -> InferenceRequest:
    """The request as it was accepted. Raises ValueError where nothing is left of it."""
    if claim.job.request is None:
        raise ValueError("a job without its request")
    return from_json(InferenceRequest, orjson.loads(claim.job.request))


def announced(claim: Claim) -> tuple[str, ...]:
    """The queue that tells the caller's webhook, where there is one."""
    return () if claim.job.webhook is None else (WEBHOOKS,)


def figures_of(response: InferenceResponse) -> Figures:
    """What an answer gave, as columns."""
    return Figures(
        tier=response.served.tier,
        target=response.served.target,
        model=response.served.model,
        policy=response.decision.policy,
        prompt_tokens=response.usage.prompt_tokens,
        completion_tokens=response.usage.completion_tokens,
        cost_nano=round(response.cost_usd * NANO),
    )
