"""Judge agent: chooses judges, asks them through the router's own path, and gives back a judgement.

A judge's call is a request like any other, pinned to one target: privacy, residency, the key's tiers and budgets hold
for it as they held for the question, so a restricted answer is never shown to a cloud.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from agents.judge.family import family
from agents.judge.form import Asked, Scores
from agents.judge.pairwise import PAIRWISE, both_orders, preferred, settled
from agents.judge.rivals import Ask, Rivals, privacy_of, reference_of
from agents.judge.rubric import REFERENCE, RUBRIC, asked, read
from agents.judge.verdict import Opinion, Rival, Verdict
from router_core.errors import AllTargetsFailedError, NoPermittedTargetError, TargetError
from router_core.execution import Served
from router_core.inference import (
    InferenceRequest,
    InferenceResponse,
    Message,
    Params,
    Preferences,
    Privacy,
)
from router_core.policy.judging import Judging
from router_core.record import dataclass
from router_core.resources import TargetSpec

_ASKED: Final = 2
"""How often one judge is asked for a reply in form."""
_PARAMS: Final = Params(max_tokens=400, temperature=0.0)
_RULES: Final = Judging()


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What every judge of one answer is shown, under which privacy, and by which form."""

    request: InferenceRequest
    served: Served
    privacy: Privacy
    questions: tuple[Asked, ...]
    rubric: str
    rival: Rival | None = None


class JudgeAgent:
    """Judges of one router. `preferred` targets come first, in their order; where there are any, no others judge."""

    def __init__(self, ask: Ask, specs: tuple[TargetSpec, ...], preferred: tuple[str, ...] = ()) -> None:
        self._ask, self._preferred = ask, preferred
        self._specs = {spec.name: spec for spec in specs}
        self._rivals = Rivals(ask, self._specs)

    def prefer(self, names: tuple[str, ...]) -> None:
        """These judge from now on, best first; none named: any."""
        self._preferred = names

    async def judge(
        self, request: InferenceRequest, response: InferenceResponse, rules: Judging = _RULES
    ) -> Verdict:
        """The judgement of a text answer. Raises what the router raises where no judge could be asked, but for judges
        that may not see the case: those are passed over."""
        answer = None if response.output is None else response.output.first.text
        if not answer:
            return Verdict(skipped="there is no text to judge")
        return await self._judged(await self._case(request, response, answer, rules), rules)

    async def judge_text(
        self, request: InferenceRequest, answer: str, served: Served, rules: Judging = _RULES
    ) -> Verdict:
        """The judgement of an answer that was not given here, by the rubric, beside the caller's reference where the
        request has one. Raises as `judge` does."""
        own = reference_of(request)
        one = asked(request.request_id, spoken(request.messages), answer, None if own is None else own.text)
        case = Case(
            request=request,
            served=served,
            privacy=request.privacy,
            questions=(one,),
            rubric=RUBRIC if own is None else REFERENCE,
            rival=own,
        )
        return await self._judged(case, rules)

    async def _judged(self, case: Case, rules: Judging) -> Verdict:
        opinions = await self._opinions(case, rules)
        return Verdict(
            opinions=opinions,
            skipped=None if opinions else "no judge of another family may see this",
            rubric=case.rubric,
            rival=case.rival,
            removed=case.questions[0].removed,
            least_agreement=rules.agreement,
        )

    async def _case(
        self, request: InferenceRequest, response: InferenceResponse, answer: str, rules: Judging
    ) -> Case:
        """By the policy's method; where there is nothing to hold the answer beside, by the rubric alone."""
        question, rival = spoken(request.messages), None
        if rules.method == "pairwise":
            rival = await self._rivals.other(request, response)
        elif rules.method == "reference":
            rival = await self._rivals.reference(request, response)
        questions: tuple[Asked, ...]
        if rival is not None and rules.method == "pairwise":
            rubric, questions = PAIRWISE, both_orders(request.request_id, question, answer, rival.text)
        else:
            rubric = RUBRIC if rival is None else REFERENCE
            text = None if rival is None else rival.text
            questions = (asked(request.request_id, question, answer, text),)
        return Case(
            request=request,
            served=response.served,
            privacy=privacy_of(request, response),
            questions=questions,
            rubric=rubric,
            rival=rival,
        )

    async def _opinions(self, case: Case, rules: Judging) -> tuple[Opinion, ...]:
        """As many as the policy wants and may be had. That one judge is away fails the judging only where none was heard."""
        opinions: list[Opinion] = []
        for spec in self._candidates(case, own_family=rules.own_family):
            if len(opinions) == rules.judges:
                break
            try:
                opinions.append(await self._asked(spec, case, len(opinions)))
            except NoPermittedTargetError:
                continue
            except (TargetError, AllTargetsFailedError):
                if not opinions:
                    raise
        return tuple(opinions)

    async def _asked(self, spec: TargetSpec, case: Case, judge: int) -> Opinion:
        cost, found = 0.0, list[Scores]()
        for number, question in enumerate(case.questions):
            scores = None
            for again in range(_ASKED):
                name = f"judge{judge}-{number * _ASKED + again}"
                reply = await self._ask(_question(spec, case, question, name))
                cost += reply.cost_usd
                text = None if reply.output is None else reply.output.first.text
                scores = (preferred if case.rubric == PAIRWISE else read)(text or "", question)
                if scores is not None:
                    break
            if scores is None:
                break
            found.append(scores)
        return Opinion(
            target=spec.name,
            model=spec.model,
            same_family=family(spec.model) == family(case.served.model),
            scores=_together(found) if len(found) == len(case.questions) else None,
            cost_usd=cost,
        )

    def _candidates(self, case: Case, *, own_family: bool) -> Iterator[TargetSpec]:
        """Who could judge, best first: another family than the answers', then those that settings prefer, then the most
        able. A second judge of one family says little new, so each family's first comes before any second."""
        served, rival = case.served, case.rival
        own, beside = family(served.model), None if rival is None else family(rival.model)
        party = {served.target, None if rival is None else rival.target}
        able = [
            spec
            for spec in self._specs.values()
            if "chat" in spec.tasks and spec.kind != "onnx" and spec.name not in party
        ]
        if self._preferred:
            able = [spec for spec in able if spec.name in self._preferred]
        place = {name: number for number, name in enumerate(self._preferred)}
        able.sort(
            key=lambda spec: (
                family(spec.model) == beside,
                place.get(spec.name, 0),
                -spec.quality_default,
                spec.name,
            )
        )
        others = [spec for spec in able if family(spec.model) != own]
        first = {family(spec.model): spec for spec in reversed(others)}.values()
        yield from (spec for spec in others if spec in first)
        yield from (spec for spec in others if spec not in first)
        if own_family:
            yield from (spec for spec in able if family(spec.model) == own)


def spoken(messages: tuple[Message, ...]) -> str:
    """The conversation as text; pictures and sounds are named only."""
    said: list[str] = []
    for message in messages:
        content = message.get("content")
        parts = content if isinstance(content, list) else [{"type": "text", "text": content or ""}]
        texts = [str(part.get("text", f"[{part.get('type', 'part')}]")) for part in parts]
        said.append(f"{message.get('role', 'user')}: {' '.join(texts)}")
    return "\n".join(said)


def _together(scores: list[Scores]) -> Scores:
    return scores[0] if len(scores) == 1 else settled(scores[0], scores[1])


def _question(spec: TargetSpec, case: Case, question: Asked, name: str) -> InferenceRequest:
    """The judge's request: under the question's own privacy, or a higher one where something was found in it."""
    request = case.request
    return InferenceRequest(
        request_id=f"{request.request_id}-{name}",
        received_s=request.received_s,
        caller=request.caller,
        messages=question.messages,
        task="chat",
        params=_PARAMS,
        preferences=Preferences(tiers=request.preferences.tiers, target=spec.name, fallback=False),
        location=request.location,
        privacy=case.privacy,
        cache_allowed=False,
        asynchronous=True,
    )
