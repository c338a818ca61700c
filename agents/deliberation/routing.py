"""What the router agent asks: which of the permitted targets should be tried first.

The model weighs figures and never sees a word of the request: what a caller writes can't talk it into another target.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from agents.deliberation.asking import Choice, Form, Question
from agents.deliberation.outlook import Outlook, outlook
from agents.deliberation.prompt import prompt
from agents.deliberation.quoting import quoted
from agents.weighing import Weighing
from router_core.context import RequestContext
from router_core.decision import RoutingDecision
from router_core.routing.objective import Weighed, weigh
from router_core.routing.preferred import ROUTER, choices

SHOWN: Final = 8
"""Targets among which a model chooses; more are noise, and cost tokens."""
_BASES: Final = ("quality", "latency", "cost", "load", "energy")


def candidates(decision: RoutingDecision) -> tuple[str, ...]:
    """The best targets of those that are permitted, by name: an order by score would make the model follow it."""
    best = sorted(choices(decision), key=lambda name: (-decision.scores[name], name))[:SHOWN]
    if best and decision.target not in best:
        best[-1] = decision.target
    return tuple(sorted(best))


def question(weighing: Weighing, lately: Sequence[Mapping[str, Any]] = ()) -> Question:
    """The question about one decision; `lately` is what was decided for the same tenant and task before."""
    names = candidates(weighing.decision)
    facts = {
        "request": _request(weighing.context),
        "targets": _targets(weighing, names),
        "lately": list(lately),
    }
    return Question(agent=ROUTER, role="pro", prompt=prompt(ROUTER), text=quoted(facts), form=form(names))


def foreseen(weighing: Weighing) -> Outlook:
    """What advice about this decision may bring, by the figures that it was taken from."""
    names, decision = candidates(weighing.decision), weighing.decision
    weighed = weigh(weighing.context, weighing.table, weighing.inflight)
    stake = weighing.table.policy.deliberation_limits.stake_usd(decision.request_class)
    at = [weighing.table.index[name] for name in names]
    return outlook(
        names,
        decision.target,
        [weighed.quality[i] for i in at],
        [weighed.cost_usd[i] / max(stake, 1e-9) for i in at],
    )


def form(names: tuple[str, ...]) -> Form:
    """The answer: one of these targets, and on what ground."""
    return Form(
        name="RoutingChoice",
        meaning="The target that should be asked first.",
        choices=(
            Choice(name="target", words=names, meaning="one of the targets listed"),
            Choice(name="basis", words=_BASES, meaning="the fact that decided it"),
        ),
    )


def _request(context: RequestContext) -> dict[str, Any]:
    """What is known of the request, without who asked."""
    shown = {
        "class": context.request_class,
        "task": context.task,
        "complexity": round(context.complexity, 2),
        "language": context.language,
        "prompt_tokens": context.prompt_tokens,
        "answer_tokens": context.output_tokens,
        "optimize": context.optimize,
        "deadline_ms": context.max_latency_ms,
        "budget_usd": context.max_cost_usd,
        "min_quality": context.min_quality,
        "tools": context.tools,
        "stream": context.stream,
        "turns": context.turns,
    }
    return {name: value for name, value in shown.items() if value not in (None, False)}


def _targets(weighing: Weighing, names: tuple[str, ...]) -> list[dict[str, Any]]:
    table = weighing.table
    weighed = weigh(weighing.context, table, weighing.inflight)
    return [_target(weighing, weighed, table.index[name]) for name in names]


def _target(weighing: Weighing, weighed: Weighed, i: int) -> dict[str, Any]:
    spec, state = weighing.table.targets[i].spec, weighing.table.targets[i].state
    return {
        "name": spec.name,
        "tier": spec.tier,
        "model": spec.model,
        "capability": spec.capability,
        "quality": round(weighed.quality[i], 3),
        "latency_ms": round(weighed.latency_ms[i], 1),
        "cost_usd": round(weighed.cost_usd[i], 7),
        "energy_j": round(weighed.energy_j[i], 2),
        "saturation": round(state.saturation, 2),
        "error_rate": round(state.error_rate, 3),
        "score": round(weighing.decision.scores[spec.name], 3),
    }
