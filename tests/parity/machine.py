"""Walks the state machine of the templates as Step Functions would, with functions called in this process.

Only what our definition uses: Task with Retry and Catch, Choice, Succeed and Fail. Payloads become text between two
states, within the service's limit. Waits before a retry are left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

LIMIT_BYTES = 256 * 1024
Function = Callable[[Any, Any], Any]


@dataclass(kw_only=True)
class Run:
    """One execution: the states it passed, its last payload, its output, and whether it ended well."""

    visited: list[str] = field(default_factory=list)
    payload: dict[str, Any] = field(default_factory=dict)
    output: Any = None
    succeeded: bool = False


class Failed(Exception):
    """What a function failed with, as Step Functions sees it."""

    def __init__(self, name: str, cause: str) -> None:
        super().__init__(name)
        self.name, self.cause = name, cause


def walk(definition: Mapping[str, Any], functions: Mapping[str, Function], payload: Mapping[str, Any]) -> Run:
    """The whole execution."""
    run = Run(payload=_travelled(payload))
    name = definition["StartAt"]
    while True:
        state = definition["States"][name]
        run.visited.append(name)
        if state["Type"] in ("Succeed", "Fail"):
            run.succeeded = state["Type"] == "Succeed"
            run.output = _selected(state.get("OutputPath", "$"), run.payload)
            return run
        if state["Type"] == "Choice":
            name = _chosen(state, run.payload)
        else:
            name = _task(state, functions[state["Resource"]], run)


def _task(state: Mapping[str, Any], function: Function, run: Run) -> str:
    try:
        run.payload = _retried(state, function, run.payload)
        return str(state["Next"])
    except Failed as error:
        for catch in state.get("Catch", ()):
            if error.name in catch["ErrorEquals"] or "States.ALL" in catch["ErrorEquals"]:
                assert catch["ResultPath"] == "$.caught"
                caught = {"Error": error.name, "Cause": error.cause}
                run.payload = _travelled({**run.payload, "caught": caught})
                return str(catch["Next"])
        raise


def _retried(state: Mapping[str, Any], function: Function, payload: Mapping[str, Any]) -> dict[str, Any]:
    left = {name: rule["MaxAttempts"] for rule in state.get("Retry", ()) for name in rule["ErrorEquals"]}
    while True:
        try:
            return _travelled(_called(function, payload))
        except Failed as error:
            if not left.get(error.name):
                raise
            left[error.name] -= 1


def _called(function: Function, payload: Mapping[str, Any]) -> Any:
    try:
        return function(_travelled(payload), None)
    except Exception as error:
        message = {"errorMessage": str(error), "errorType": type(error).__name__, "stackTrace": []}
        raise Failed(type(error).__name__, json.dumps(message)) from error


def _chosen(state: Mapping[str, Any], payload: Mapping[str, Any]) -> str:
    for rule in state["Choices"]:
        if all(_holds(one, payload) for one in rule.get("And", [rule])):
            return str(rule["Next"])
    return str(state["Default"])


def _selected(path: str, payload: Mapping[str, Any]) -> Any:
    found: Any = payload
    for part in path.split(".")[1:]:
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _holds(rule: Mapping[str, Any], payload: Mapping[str, Any]) -> bool:
    found = _selected(rule["Variable"], payload)
    if "IsPresent" in rule:
        return (found is not None) is rule["IsPresent"]
    wanted = rule["BooleanEquals"] if "BooleanEquals" in rule else rule["StringEquals"]
    return type(found) is type(wanted) and found == wanted


def _travelled(payload: Any) -> dict[str, Any]:
    text = json.dumps(payload)
    assert len(text) <= LIMIT_BYTES, f"a payload of {len(text)} bytes"
    travelled: dict[str, Any] = json.loads(text)
    return travelled
