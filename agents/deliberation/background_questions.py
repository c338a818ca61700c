"""What the agents are asked in a round in the background: closed lists again, so that no answer names a key or a number.

A draft is at most three times a key, a direction and a part of the step that the policy permits; which value that makes is
reckoned here. Nothing of a request is shown, only figures and names of the configuration.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from agents.deliberation.asking import Choice, Form, Look, Question, Role
from agents.deliberation.prompt import prompt
from agents.deliberation.quoting import quoted
from agents.proposals.permitted import MOST_KEYS, PERMITTED, Wish, moved_between, room, value_of
from router_core.policy.document import Policy

NONE: Final = "none"
PATTERNS: Final = (NONE, "errors", "latency", "cost", "quality", "fallbacks", "imbalance")
CAUSES: Final = ("routing", "outage", "capacity", "nothing")
CONCERNS: Final = (NONE, "privacy", "quality", "cost", "latency", "too_much", "unclear")


def monitor_question(figures: Mapping[str, Any], why: str, names: tuple[str, ...]) -> Question:
    """Is there a pattern, and where? `why` says what set the look off; it is data like the rest."""
    choices = (
        Choice(name="pattern", words=PATTERNS, meaning="what shows"),
        Choice(name="target", words=(NONE, *names), meaning="where it shows"),
    )
    return _question("monitor", "lite", {"figures": figures, "set_off_by": why}, choices)


def resource_question(pattern: Mapping[str, Any], state: Look) -> Question:
    """Is routing to blame?"""
    choices = (Choice(name="cause", words=CAUSES, meaning="what most likely explains the pattern"),)
    return _question("resource", "lite", {"pattern": pattern, "state": json.loads(state.text)}, choices)


def cache_question(pattern: Mapping[str, Any], metrics: Look) -> Question:
    """Does what the cache does explain it?"""
    choices = (
        Choice(name="explains", words=("no", "yes"), meaning="whether the cache explains the pattern"),
    )
    return _question("cache", "micro", {"pattern": pattern, "metrics": json.loads(metrics.text)}, choices)


def router_question(
    policy: Policy, figures: Mapping[str, Any], found: Mapping[str, Mapping[str, Any]], prices: Look
) -> Question:
    """What to change, among what may be changed."""
    shown = {
        "figures": figures,
        "found": found,
        "prices": json.loads(prices.text),
        "may_change": {
            key: {"now": value_of(policy, key), "from_to": room(policy, key)} for key in PERMITTED
        },
    }
    return _question("router", "pro", shown, _draft_choices(), _sizes())


def safety_question(policy: Policy, new: Policy, found: Mapping[str, Mapping[str, Any]]) -> Question:
    """Is there a reason against it?"""
    changes = [one.as_document() for one in moved_between(new, policy)]
    choices = (
        Choice(name="verdict", words=("refuse", "approve"), meaning="whether it may be tried"),
        Choice(name="concern", words=CONCERNS, meaning="the strongest reason against it"),
    )
    return _question("safety", "micro", {"changes": changes, "found": found}, choices)


def wishes_of(policy: Policy, answer: Mapping[str, Any]) -> tuple[Wish, ...]:
    """The draft as values; a function of policy and recorded answer alone."""
    wishes = []
    for number in range(1, MOST_KEYS + 1):
        key = answer[f"key_{number}"]
        if key != NONE:
            low, high = room(policy, key)
            before, part = value_of(policy, key), float(answer[f"size_{number}"])
            end = high if answer[f"direction_{number}"] == "raise" else low
            wishes.append(Wish(key=key, value=before + part * (end - before)))
    return tuple(wishes)


def _draft_choices() -> tuple[Choice, ...]:
    made: list[Choice] = []
    for number in range(1, MOST_KEYS + 1):
        made += [
            Choice(name=f"key_{number}", words=(NONE, *PERMITTED), meaning="what to change"),
            Choice(name=f"direction_{number}", words=("raise", "lower"), meaning="which way"),
        ]
    return tuple(made)


def _sizes() -> tuple[tuple[str, str], ...]:
    return tuple(
        (f"size_{number}", "how much of the permitted step, 0 to 1") for number in range(1, MOST_KEYS + 1)
    )


def _question(
    agent: str,
    role: Role,
    shown: Mapping[str, Any],
    choices: tuple[Choice, ...],
    fractions: tuple[tuple[str, str], ...] = (),
) -> Question:
    """A question under a name of its own: a breaker that opens in the background stays closed for requests."""
    name = f"{agent}_background"
    form = Form(
        name=f"{agent.title()}Round", meaning="One step of a round.", choices=choices, fractions=fractions
    )
    return Question(agent=name, role=role, prompt=prompt(name), text=quoted(shown), form=form)
