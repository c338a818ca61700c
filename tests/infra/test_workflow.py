"""The state machine: the stage table's order, what is tried again, where failures go, and what it writes down."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from infra.constructs.workflow import DONE, FAILED, HIT, OUTCOME, TARGET_FAILED, definition
from infra.environments import ENVIRONMENTS
from router_core.deployment import ENVIRONMENTS as ENVIRONMENT_NAMES
from router_core.deployment import resource_name
from router_core.stages import NAMES, STAGES, Stage
from tests.infra.templates import Stack, Synthesis, listed

MACHINE = definition({name: name for name in NAMES})
STATES: dict[str, Any] = MACHINE["States"]
TRANSIENT = {
    "Lambda.ServiceException", "Lambda.AWSLambdaException", "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException", "StoreError",
}  # fmt: skip


def following(state: dict[str, Any]) -> Iterator[str]:
    if "Next" in state:
        yield state["Next"]
    if "Default" in state:
        yield state["Default"]
    for branch in (*state.get("Choices", ()), *state.get("Catch", ())):
        yield branch["Next"]


def path(hit: bool) -> list[str]:
    """States that a run passes when nothing fails."""
    at, passed = MACHINE["StartAt"], []
    while STATES[at]["Type"] not in ("Succeed", "Fail"):
        passed.append(at)
        state = STATES[at]
        at = (
            state["Next"]
            if "Next" in state
            else state["Choices"][0]["Next"]
            if hit and at == HIT
            else state["Default"]
        )
    return [*passed, at]


def test_without_a_hit_every_stage_runs_in_order() -> None:
    assert [state for state in path(hit=False) if state in NAMES] == list(NAMES)
    assert path(hit=False)[-1] == DONE


def test_a_hit_passes_over_what_the_table_says() -> None:
    expected = [stage.name for stage in STAGES if not stage.skipped_on_hit]
    assert [state for state in path(hit=True) if state in NAMES] == expected


def test_every_state_is_reached_and_every_way_leads_somewhere() -> None:
    reached = {MACHINE["StartAt"]} | {after for state in STATES.values() for after in following(state)}
    assert reached == set(STATES)


def test_only_what_never_reached_our_code_is_repeated() -> None:
    for stage in STAGES:
        (retry,) = STATES[stage.name]["Retry"]
        assert set(retry["ErrorEquals"]) == TRANSIENT
        assert retry["MaxAttempts"] == stage.retries
        assert retry["BackoffRate"] > 1
        assert retry["JitterStrategy"] == "FULL"


def test_a_tier_that_fails_leads_to_the_next_leg_before_anything_else() -> None:
    for stage in STAGES:
        catches = STATES[stage.name].get("Catch", [])
        if stage.falls_back:
            assert catches[0] == {
                "ErrorEquals": [TARGET_FAILED],
                "ResultPath": "$.caught",
                "Next": stage.name,
            }


def test_any_other_failure_is_recorded_by_the_last_stage() -> None:
    *before, last = STAGES
    for stage in before:
        assert STATES[stage.name]["Catch"][-1] == {
            "ErrorEquals": ["States.ALL"],
            "ResultPath": "$.caught",
            "Next": last.name,
        }
    assert "Catch" not in STATES[last.name]


def test_a_failed_answer_fails_the_run() -> None:
    (choice,) = STATES[OUTCOME]["Choices"]
    assert choice == {"Variable": "$.answer.status", "StringEquals": "failed", "Next": FAILED}
    assert STATES[FAILED]["Type"] == "Fail"


def test_every_step_and_the_whole_have_an_end() -> None:
    steps = {stage.name: STATES[stage.name]["TimeoutSeconds"] for stage in STAGES}
    assert all(steps[stage.name] > stage.timeout_s for stage in STAGES)
    assert sum(steps.values()) < MACHINE["TimeoutSeconds"] < 3600


def test_a_stage_that_joins_gets_its_place() -> None:
    judge = Stage(name="judge", takes=("request",), gives="quality", timeout_s=5, skipped_on_hit=True)
    longer = (*STAGES[:-1], judge, STAGES[-1])
    states = definition({stage.name: stage.name for stage in longer}, longer)["States"]
    assert states["execute"]["Next"] == "judge"
    assert states["judge"]["Next"] == STAGES[-1].name
    assert states[HIT]["Choices"][0]["Next"] == STAGES[-1].name
    unskipped = (*STAGES[:-1], replace(judge, skipped_on_hit=False), STAGES[-1])
    states = definition({stage.name: stage.name for stage in unskipped}, unskipped)["States"]
    assert states[HIT]["Choices"][0]["Next"] == "judge"


# ---- as deployed -----------------------------------------------------------------------------------------------------


@pytest.fixture(params=ENVIRONMENT_NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def workflow(name: str, synthesis: Synthesis) -> Stack:
    return synthesis.stack(name, "workflow")


def test_the_machine_is_the_definition_over_the_live_functions(name: str, workflow: Stack) -> None:
    machine = workflow.one("StepFunctions::StateMachine")
    assert machine["StateMachineName"] == resource_name(name, "inference")
    parts = machine["DefinitionString"]["Fn::Join"][1]
    text = "".join(part if isinstance(part, str) else "live" for part in parts)
    assert json.loads(text) == definition(dict.fromkeys(NAMES, "live"))
    assert all("Live" in json.dumps(part) for part in parts if not isinstance(part, str))


def test_it_is_traced_encrypted_and_logs_no_content(name: str, workflow: Stack) -> None:
    machine = workflow.one("StepFunctions::StateMachine")
    assert machine["TracingConfiguration"] == {"Enabled": True}
    assert machine["LoggingConfiguration"]["Level"] == "ALL"
    assert machine["LoggingConfiguration"]["IncludeExecutionData"] is False
    assert machine["EncryptionConfiguration"]["Type"] == "CUSTOMER_MANAGED_KMS_KEY"
    assert workflow.one("Logs::LogGroup")["RetentionInDays"] == ENVIRONMENTS[name].retention.logs_days


def test_it_may_call_the_stages_and_nothing_else_of_ours(workflow: Stack) -> None:
    for where, statement in workflow.statements():
        for action in listed(statement["Action"]):
            assert "*" not in action, where
            if "*" in listed(statement["Resource"]):
                assert action.split(":")[0] in ("logs", "xray"), where
        if "lambda:InvokeFunction" in listed(statement["Action"]):
            assert len(listed(statement["Resource"])) == len(STAGES)
