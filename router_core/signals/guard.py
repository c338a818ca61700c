"""Signs that a text tries to talk the model out of its instructions.

Word patterns see the plain attempts only; they cost microseconds and say why they fired, so a policy can send
such a text to a target with its own guard, or ask for a review. They are no defence on their own, and a low
score is no clearance. English; all of the text is read.
"""

from __future__ import annotations

import re
from typing import Final

from router_core.signals import triggers
from router_core.signals.reading import Reading, read

_CUES: Final = (
    (
        "override",
        0.7,
        re.compile(
            r"\b(?:ignore|disregard|forget|override)\W{1,16}+(?:\w{1,32}+\W{1,16}+){0,4}?"
            r"(?:instructions?|prompts?|rules|guidelines|directives|everything (?:above|before)|(?:above|previous) (?:text|message))"
        ),
    ),
    (
        "prompt_leak",
        0.6,
        re.compile(
            r"\b(?:reveal|print|show|repeat|output|tell|leak|display|what (?:is|are))\W{1,16}+(?:\w{1,32}+\W{1,16}+){0,4}?"
            r"(?:system prompt|hidden prompt|initial prompt|(?:system|initial|hidden|original|secret) instructions|your instructions)"
        ),
    ),
    (
        "jailbreak",
        0.6,
        re.compile(
            r"\b(?:do anything now|(?:enable|enter|activate|in|into) (?:developer|dan|god) mode"
            r"|(?:without|with no|have no|has no|free of) (?:any )?(?:restrictions|filters|rules|limits|censorship)"
            r"|jailbr(?:eak|oken) (?:mode|prompt|yourself)|you are (?:now )?(?:jailbroken|unfiltered|unrestricted))"
        ),
    ),
    (
        "role_play",
        0.4,
        re.compile(
            r"\b(?:(?:pretend|act as|roleplay as|you are now|from now on)\W{1,16}+(?:\w{1,32}+\W{1,16}+){0,8}?"
            r"(?:no (?:rules|restrictions|limits|filter)|unrestricted|unfiltered|evil|dan\b|without (?:rules|restrictions|ethics)))"
        ),
    ),
    (
        "fake_turn",
        0.6,
        re.compile(
            r"<\|(?:im_start|im_end|system|endoftext|eot_id|start_header_id)|\[/?inst\]|<</?sys>>|### ?system|</?system>"
            r"|^\s{0,8}system: \W{0,3}(?:you|ignore|new|override)",
            re.MULTILINE,
        ),
    ),
    (
        "bypass",
        0.5,
        re.compile(
            r"\b(?:bypass|circumvent|evade|disable|turn off)\W{1,16}+(?:\w{1,32}+\W{1,16}+){0,3}?"
            r"(?:safety (?:filters?|guidelines|measures|training)|content (?:filters?|policy|policies)|guardrails|moderation)"
        ),
    ),
    (
        "exfiltrate",
        0.5,
        re.compile(
            r"\b(?:send|post|upload|forward|exfiltrate|append)\W{1,16}+(?:\w{1,32}+\W{1,16}+){0,6}?(?:conversation|chat history|secrets?|credentials"
            r"|api keys?|system prompt)\W{1,16}+(?:\w{1,32}+\W{1,16}+){0,3}?(?:https?:|webhook)"
        ),
    ),
)


def guard_score(text: str) -> float:
    """0 (nothing seen) towards 1: independent cues add up as 1 - product(1 - weight)."""
    return guard_in(read(text))[0]


def guard_cues(text: str) -> tuple[str, ...]:
    """The names of the cues that fired, in a fixed order."""
    return guard_in(read(text))[1]


def guard_in(reading: Reading) -> tuple[float, tuple[str, ...]]:
    """Score and cue names for a text that is already prepared."""
    if reading.hits.isdisjoint(triggers.GUARD):
        return 0.0, ()
    clear = 1.0
    names: list[str] = []
    for name, weight, pattern in _CUES:
        if pattern.search(reading.lower):
            clear *= 1.0 - weight
            names.append(name)
    return round(1.0 - clear, 4), tuple(names)
