"""Bedrock Guardrails as the stand-in plays them: `ApplyGuardrail`, and a guardrail inside Converse.

Bodies are checked against botocore's description of the operation, and the answer has its shape, with what was matched in it, so
that a client which logs answers is found here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from typing import Any, Final

from gateway.sandbox.converse_rules import RequestRefusedError, service
from gateway.sandbox.guarding.words import objections
from gateway.sandbox.replies import Reply

ROUTE: Final = re.compile(r"/guardrail/(?P<guardrail>[^/]+)/version/(?P<version>[^/]+)/apply")
REFUSAL: Final = "Sorry, the model cannot answer this question."
UNKNOWN: Final = "gone"
"""Guardrails whose id begins so do not exist."""
_UNIT_CHARS: Final = 1_000
_MOST_UNITS: Final = 25


class NoGuardrailError(Exception):
    """There is none of this id; AWS answers 404 `ResourceNotFoundException`."""


def apply_guardrail(guardrail: str, version: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to `ApplyGuardrail`. Raises `RequestRefusedError` and `NoGuardrailError`."""
    shape = service().operation_model("ApplyGuardrail").input_shape
    given = {**body, "guardrailIdentifier": guardrail, "guardrailVersion": version}
    report = import_module("botocore.validate").ParamValidator().validate(given, shape)
    if report.has_errors():
        raise RequestRefusedError(report.generate_report()[:2_000])
    check_exists(guardrail)
    text = "\n".join(item["text"]["text"] for item in body["content"] if "text" in item)
    units = -(-len(text) // _UNIT_CHARS)
    if units > _MOST_UNITS:
        raise RequestRefusedError(f"The text has {units} units; the most are {_MOST_UNITS}.")
    categories, words = objections(text)
    stopped = bool(categories or words)
    return {
        "usage": {
            "topicPolicyUnits": 0,
            "contentPolicyUnits": units,
            "wordPolicyUnits": units,
            "sensitiveInformationPolicyUnits": 0,
            "sensitiveInformationPolicyFreeUnits": 0,
            "contextualGroundingPolicyUnits": 0,
        },
        "action": "GUARDRAIL_INTERVENED" if stopped else "NONE",
        "outputs": [{"text": REFUSAL}] if stopped else [],
        "assessments": [_assessment(categories, words)] if stopped else [],
    }


def _assessment(categories: tuple[str, ...], words: tuple[str, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if categories:
        found["contentPolicy"] = {
            "filters": [
                {"type": name, "confidence": "HIGH", "filterStrength": "HIGH", "action": "BLOCKED"}
                for name in categories
            ]
        }
    if words:
        matches = [{"match": word, "action": "BLOCKED"} for word in words]
        found["wordPolicy"] = {"customWords": matches, "managedWordLists": []}
    return found


def check_exists(guardrail: str) -> None:
    """Raises `NoGuardrailError`."""
    if guardrail.rpartition("/")[2].startswith(UNKNOWN):
        raise NoGuardrailError("The guardrail identifier or version provided in the request does not exist.")


def guarded(body: Mapping[str, Any], reply: Reply) -> Reply:
    """The reply of Converse under the guardrail that the body names: refused when question or answer is objected to."""
    config = body.get("guardrailConfig")
    if config is None:
        return reply
    check_exists(config["guardrailIdentifier"])
    last = next(message for message in reversed(body["messages"]) if message["role"] == "user")
    asked = "\n".join(block["text"] for block in last["content"] if "text" in block)
    said = reply.text if reply.tool is None else ""
    if not any(objections(asked)) and not any(objections(said)):
        return reply
    return replace(reply, pieces=(REFUSAL,), finish="guardrail", tool=None, arguments=None)
