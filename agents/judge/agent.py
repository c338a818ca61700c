"""Judge agent: chooses a judge, asks it through the router's own path, and gives back a judgement.

The judge's call is a request like any other, pinned to one target: privacy, residency, the key's tiers and budgets hold
for it as they held for the question, so a restricted answer is never shown to a cloud.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Final

from agents.judge.family import family
from agents.judge.rubric import RUBRIC, Asked, Scores, asked, read
from router_core.errors import NoPermittedTargetError
from router_core.inference import InferenceRequest, InferenceResponse, Message, Params, Preferences
from router_core.record import dataclass
from router_core.resources import TargetSpec

Ask = Callable[[InferenceRequest], Awaitable[InferenceResponse]]
_ASKED: Final = 2
"""How often one judge is asked for a reply in form."""
_PARAMS: Final = Params(max_tokens=400, temperature=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A judgement, or why there is none (`skipped`). Costs count in both cases."""

    scores: Scores | None = None
    skipped: str | None = None
    target: str | None = None
    model: str | None = None
    same_family: bool = False
    removed: int = 0
    cost_usd: float = 0.0
    rubric: str = RUBRIC


class JudgeAgent:
    """Judges of one router. `preferred` targets come first, in their order."""

    def __init__(self, ask: Ask, specs: tuple[TargetSpec, ...], preferred: tuple[str, ...] = ()) -> None:
        self._ask, self._preferred = ask, preferred
        self._specs = {spec.name: spec for spec in specs}

    async def judge(
        self, request: InferenceRequest, response: InferenceResponse, *, own_family: bool = False
    ) -> Verdict:
        """One judgement of a text answer. `own_family`: a judge of the answerer's family is better than none. Raises what
        the router raises, but for judges that may not see the case: those are passed over."""
        answer = None if response.output is None else response.output.first.text
        if not answer:
            return Verdict(skipped="there is no text to judge")
        case = asked(request.request_id, spoken(request.messages), answer)
        for spec in self._candidates(response, own_family=own_family):
            try:
                return await self._asked(spec, request, response, case)
            except NoPermittedTargetError:
                continue
        return Verdict(skipped="no judge of another family may see this", removed=case.removed)

    async def _asked(
        self, spec: TargetSpec, request: InferenceRequest, response: InferenceResponse, case: Asked
    ) -> Verdict:
        cost, scores, reply = 0.0, None, None
        for number in range(_ASKED):
            reply = await self._ask(_question(spec, request, response, case, number))
            cost += reply.cost_usd
            text = None if reply.output is None else reply.output.first.text
            scores = read(text or "", case.mark)
            if scores is not None:
                break
        return Verdict(
            scores=scores,
            skipped=None if scores is not None else "the judge did not keep to the form",
            target=spec.name,
            model=spec.model,
            same_family=family(spec.model) == family(response.served.model),
            removed=case.removed,
            cost_usd=cost,
        )

    def _candidates(self, response: InferenceResponse, *, own_family: bool) -> Iterator[TargetSpec]:
        """Who could judge, best first: another family, then those that settings prefer, then the most able."""
        own = family(response.served.model)
        able = [
            spec
            for spec in self._specs.values()
            if "chat" in spec.tasks and spec.kind != "onnx" and spec.name != response.served.target
        ]
        if self._preferred:
            able = [spec for spec in able if spec.name in self._preferred]
        order = {name: place for place, name in enumerate(self._preferred)}
        able.sort(key=lambda spec: (order.get(spec.name, 0), -spec.quality_default, spec.name))
        yield from (spec for spec in able if family(spec.model) != own)
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


def _question(
    spec: TargetSpec, request: InferenceRequest, response: InferenceResponse, case: Asked, number: int
) -> InferenceRequest:
    """The judge's request: under the question's own privacy, or a higher one where something was found in it."""
    privacy = replace(request.privacy, level="restricted") if response.restricted else request.privacy
    return InferenceRequest(
        request_id=f"{request.request_id}-judge{number}",
        received_s=request.received_s,
        caller=request.caller,
        messages=case.messages,
        task="chat",
        params=_PARAMS,
        preferences=Preferences(tiers=request.preferences.tiers, target=spec.name, fallback=False),
        location=request.location,
        privacy=privacy,
        cache_allowed=False,
        asynchronous=True,
    )
