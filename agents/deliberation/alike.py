"""Which questions are taken to be the same, so that one answer serves them all for a while.

A question about figures is like any other with the same coarse figures; what tells one request from another by name or
by chance is left out. One that quotes a request is like itself alone. Tenants never share an answer.
"""

from __future__ import annotations

import json
from typing import Any, Final

from agents.deliberation.asking import Question
from agents.weighing import Weighing
from router_core.signals.fingerprint import fingerprint

_IDS: Final = ("request_id", "position", "session_target", "prefix_target")
_COARSE: Final = ("complexity", "guard", "rtt_ms", "battery", "cpu_load", "memory_free_mb", "max_cost_usd")
_COUNTS: Final = ("prompt_tokens", "output_tokens", "max_output_tokens", "fit_tokens", "turns")


def look_alike(weighing: Weighing, question: Question) -> str:
    """The name of all questions like this one: tenant, prompt, policy, form, and the request's features. The targets' state
    is in it as the fast choice and the targets to choose from, no more, because figures change twice a second."""
    if question.quotes:
        alone = (weighing.context.tenant, question.form.name, question.prompt.sha256, question.text)
        return fingerprint(part.encode() for part in alone)
    features: dict[str, Any] = weighing.context.features()
    for name in _IDS:
        features.pop(name, None)
    for name in _COARSE:
        if name in features:
            features[name] = round(float(features[name]), 1)
    for name in _COUNTS:
        if name in features:
            features[name] = int(features[name]).bit_length()
    choices = [list(choice.words) for choice in question.form.choices]
    asked = [question.form.name, question.prompt.sha256, weighing.decision.policy_sha256, choices]
    return fingerprint(
        json.dumps(part, sort_keys=True).encode() for part in (*asked, weighing.decision.target, features)
    )
