"""The state machine, made from the stage table: what runs after what, what is tried again, and where a failure goes.

Every stage is one Task that is given the whole payload and returns the whole payload with its own key added
(`agents/staged/stages.py` says what is in it). Of the payload the machine knows only `$.lookup.hit`,
`$.answer.status`, and the error that it puts at `$.caught` itself.

- A host that failed is asked again, with back-off and jitter: the call never reached our code, or storage was away.
  What a tier did is never repeated here; the executor alone decides about that.
- `TargetFailedError` of a stage that falls back runs the same stage again: its next run is the next leg.
- Any other failure goes to the last stage, which records it and makes the answer that the caller is told.
- A machine that is waited for gives that answer as its output, good or bad, and ends before API Gateway stops waiting.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from router_core.stages import STAGES, Stage

TRANSIENT: Final = (
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
    "StoreError",
)
"""Errors after which nothing of ours has happened."""
TARGET_FAILED: Final = "TargetFailedError"
HIT: Final = "was it answered"
OUTCOME: Final = "how did it end"
DONE: Final = "done"
FAILED: Final = "failed"
_CAUGHT: Final = "$.caught"
_GRACE_S: Final = 5
"""A state outlives its function a little, so that the function's own time-out is the one that is seen."""
WAITED_S: Final = 28
"""How long a run lasts at most that somebody waits for: the function that waits has 29 s and must still tell."""
MAX_LEGS: Final = 8
"""Bounds the machine's whole time; how many legs there are is the decision's matter."""


def definition(
    functions: Mapping[str, str], stages: Sequence[Stage] = STAGES, *, waited: bool = False
) -> dict[str, Any]:
    """The machine in Amazon States Language. `functions` holds the address to call for each stage; `waited`: its output
    is the answer, for somebody who waits."""
    ending = stages[-1].name
    states: dict[str, Any] = {}
    for stage, after in zip(stages, [*stages[1:], None], strict=True):
        following = _last(waited) if after is None else after.name
        if after is not None and after.skipped_on_hit and not stage.skipped_on_hit:
            states[HIT] = _answered(after.name, _after_skipped(stages, after) or _last(waited))
            following = HIT
        states[stage.name] = _task(stage, functions[stage.name], following, ending)
    states |= _told() if waited else _stored()
    return {
        "Comment": "One request, as in agents/pipeline.py",
        "QueryLanguage": "JSONPath",
        "StartAt": stages[0].name,
        "TimeoutSeconds": WAITED_S if waited else _longest(stages),
        "States": states,
    }


def text(functions: Mapping[str, str], *, waited: bool = False) -> str:
    return json.dumps(definition(functions, waited=waited), indent=1)


def _last(waited: bool) -> str:
    return DONE if waited else OUTCOME


def _told() -> dict[str, Any]:
    """The answer is the output; a run that failed would have none."""
    return {DONE: {"Type": "Succeed", "OutputPath": "$.answer"}}


def _stored() -> dict[str, Any]:
    """The answer is stored; how the run ended shows how the request did."""
    return {
        OUTCOME: {
            "Type": "Choice",
            "Choices": [{"Variable": "$.answer.status", "StringEquals": "failed", "Next": FAILED}],
            "Default": DONE,
        },
        DONE: {"Type": "Succeed"},
        FAILED: {"Type": "Fail", "Error": "RequestFailed", "Cause": "The stored answer says why."},
    }


def _task(stage: Stage, function: str, following: str, ending: str) -> dict[str, Any]:
    """The function's address itself is the resource: input and output are the payload, without an envelope."""
    state: dict[str, Any] = {
        "Type": "Task",
        "Comment": f"takes {', '.join(stage.takes)}; gives {stage.gives}",
        "Resource": function,
        "TimeoutSeconds": stage.timeout_s + _GRACE_S,
        "Retry": [
            {
                "ErrorEquals": list(TRANSIENT),
                "IntervalSeconds": 1,
                "MaxAttempts": stage.retries,
                "BackoffRate": 2.0,
                "MaxDelaySeconds": 10,
                "JitterStrategy": "FULL",
            }
        ],
        "Next": following,
    }
    catches = []
    if stage.falls_back:
        catches.append({"ErrorEquals": [TARGET_FAILED], "ResultPath": _CAUGHT, "Next": stage.name})
    if stage.name != ending:
        catches.append({"ErrorEquals": ["States.ALL"], "ResultPath": _CAUGHT, "Next": ending})
    if catches:
        state["Catch"] = catches
    return state


def _answered(stage: str, otherwise: str) -> dict[str, Any]:
    return {
        "Type": "Choice",
        "Choices": [
            {
                "And": [
                    {"Variable": "$.lookup.hit", "IsPresent": True},
                    {"Variable": "$.lookup.hit", "BooleanEquals": True},
                ],
                "Next": otherwise,
            }
        ],
        "Default": stage,
    }


def _after_skipped(stages: Sequence[Stage], first: Stage) -> str | None:
    """The stage after the run of skipped ones that begins with `first`."""
    later = stages[stages.index(first) :]
    return next((stage.name for stage in later if not stage.skipped_on_hit), None)


def _longest(stages: Sequence[Stage]) -> int:
    """Every stage with its repetitions and every leg. A machine without an end would be billed without one."""
    return sum(
        (stage.timeout_s + _GRACE_S) * (MAX_LEGS if stage.falls_back else 1 + stage.retries)
        for stage in stages
    )
