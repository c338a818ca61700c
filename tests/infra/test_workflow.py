"""The state machines: the stage table's order, what is tried again, where failures go, what they write down; and the switch
that lets the stages answer who waits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from infra.constructs.functions.grants import grants
from infra.constructs.functions.service_functions import API_S
from infra.constructs.functions.settings import own_variables
from infra.constructs.workflow import DONE, FAILED, HIT, OUTCOME, TARGET_FAILED, definition
from infra.environments import DEV, ENVIRONMENTS
from router_core.deployment import ENVIRONMENTS as ENVIRONMENT_NAMES
from router_core.deployment import FUNCTIONS, MACHINE, SYNC_MACHINE, SYNC_WORKFLOW_ARN, resource_name
from router_core.stages import NAMES, STAGES, Stage
from tests.infra.templates import Resource, Stack, Synthesis, listed

DEFINITION = definition({name: name for name in NAMES})
STATES: dict[str, Any] = DEFINITION["States"]
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
    at, passed = DEFINITION["StartAt"], []
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
    reached = {DEFINITION["StartAt"]} | {after for state in STATES.values() for after in following(state)}
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
    assert sum(steps.values()) < DEFINITION["TimeoutSeconds"] < 3600


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


def test_a_machine_that_is_waited_for_gives_its_answer_and_ends_before_the_door_gives_up() -> None:
    waited = definition({name: name for name in NAMES}, waited=True)
    states = waited["States"]
    assert states[DONE] == {"Type": "Succeed", "OutputPath": "$.answer"}
    assert not [state for state in states.values() if state["Type"] == "Fail"]
    assert waited["TimeoutSeconds"] < API_S
    for name in NAMES[:-1]:
        assert states[name] == STATES[name]
    assert states[NAMES[-1]] == {**STATES[NAMES[-1]], "Next": DONE}


def test_a_hit_ends_a_waited_run_where_nothing_follows_the_skipped_stages() -> None:
    ending = replace(STAGES[-1], skipped_on_hit=True)
    stages = (*STAGES[:-1], ending)
    states = definition({stage.name: stage.name for stage in stages}, stages, waited=True)["States"]
    assert states[HIT]["Choices"][0]["Next"] == DONE


# ---- the switch ------------------------------------------------------------------------------------------------------


def test_only_where_the_environment_says_so_the_door_knows_the_machine_and_may_wait_for_it() -> None:
    steps = replace(DEV, workflow="state-machine")
    machine = f"arn:aws:states:{DEV.region}:{DEV.account}:stateMachine:{resource_name('dev', SYNC_MACHINE)}"
    assert own_variables(DEV, "api") == {}
    assert own_variables(steps, "api") == {SYNC_WORKFLOW_ARN: machine}
    assert all(own_variables(steps, name) == {} for name in (*NAMES, *FUNCTIONS) if name != "api")
    key = "arn:aws:kms:eu-central-1:123456789012:key/any"
    waiting = {
        (name, resource)
        for name, rows in grants(steps, key).items()
        for row in rows
        if "states:StartSyncExecution" in row.actions
        for resource in row.resources
    }
    assert waiting == {("api", machine)}
    assert not [
        row
        for rows in grants(DEV, key).values()
        for row in rows
        if "states:StartSyncExecution" in row.actions
    ]


# ---- as deployed -----------------------------------------------------------------------------------------------------


@pytest.fixture(params=ENVIRONMENT_NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def workflow(name: str, synthesis: Synthesis) -> Stack:
    return synthesis.stack(name, "workflow")


def machines(workflow: Stack) -> dict[str, Resource]:
    found = workflow.of("StepFunctions::StateMachine").values()
    return {machine["StateMachineName"]: machine for machine in found}


def test_the_machines_are_the_definition_over_the_live_functions(name: str, workflow: Stack) -> None:
    found = machines(workflow)
    for what, kind in ((MACHINE, "STANDARD"), (SYNC_MACHINE, "EXPRESS")):
        machine = found.pop(resource_name(name, what))
        assert machine["StateMachineType"] == kind
        parts = machine["DefinitionString"]["Fn::Join"][1]
        text = "".join(part if isinstance(part, str) else "live" for part in parts)
        assert json.loads(text) == definition(dict.fromkeys(NAMES, "live"), waited=what == SYNC_MACHINE)
        assert all("Live" in json.dumps(part) for part in parts if not isinstance(part, str))
    assert found == {}


def test_they_are_traced_encrypted_and_log_no_content(name: str, workflow: Stack) -> None:
    for machine in machines(workflow).values():
        assert machine["TracingConfiguration"] == {"Enabled": True}
        assert machine["LoggingConfiguration"]["Level"] == "ALL"
        assert machine["LoggingConfiguration"]["IncludeExecutionData"] is False
        assert machine["EncryptionConfiguration"]["Type"] == "CUSTOMER_MANAGED_KMS_KEY"
    logs = workflow.of("Logs::LogGroup").values()
    assert len(logs) == 2
    assert {log["RetentionInDays"] for log in logs} == {ENVIRONMENTS[name].retention.logs_days}


def test_it_may_call_the_stages_and_nothing_else_of_ours(workflow: Stack) -> None:
    for where, statement in workflow.statements():
        for action in listed(statement["Action"]):
            assert "*" not in action, where
            if "*" in listed(statement["Resource"]):
                assert action.split(":")[0] in ("logs", "xray"), where
        if "lambda:InvokeFunction" in listed(statement["Action"]):
            assert len(listed(statement["Resource"])) == len(STAGES)
