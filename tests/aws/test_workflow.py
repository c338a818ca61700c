"""Asynchronous requests: the state machine made from the stage table, its retries and its fallbacks as they are recorded."""

from __future__ import annotations

from typing import Any

from router_core.deployment import MACHINE, resource_name
from router_core.stages import NAMES
from tests.aws.conftest import Client, until
from tests.localaws import address
from tests.localaws.site import Site

QUESTION = "Compare two consensus protocols, with their failure modes"
ENDS = ("ExecutionSucceeded", "ExecutionFailed", "ExecutionTimedOut", "ExecutionAborted")
REFUSED = {"error": "InternalServerError", "status": 500}


def history(site: Site, request_id: str) -> list[dict[str, Any]]:
    """What the execution of this request went through."""
    return past(site, MACHINE, request_id)


def past(site: Site, machine: str, request_id: str) -> list[dict[str, Any]]:
    """The same of one of the machines."""
    states = site.client("stepfunctions")
    run = f"arn:aws:states:{address.REGION}:{address.ACCOUNT}:execution:{resource_name('dev', machine)}:{request_id}"
    events: list[dict[str, Any]] = states.get_execution_history(executionArn=run, maxResults=1000)["events"]
    return events


def ended(site: Site, request_id: str) -> list[dict[str, Any]]:
    """The history once the run has ended: the last stage stores the answer a moment before."""
    found: list[dict[str, Any]] = until(
        lambda: history(site, request_id), lambda events: events[-1]["type"] in ENDS
    )
    return found


def entered(events: list[dict[str, Any]]) -> list[str]:
    """Names of the task states in the order they were entered."""
    return [e["stateEnteredEventDetails"]["name"] for e in events if e["type"] == "TaskStateEntered"]


def failures(events: list[dict[str, Any]]) -> list[str]:
    """Errors of the functions, in order."""
    details = ("lambdaFunctionFailedEventDetails", "taskFailedEventDetails")
    return [e[name]["error"] for e in events for name in details if name in e]


def queue(client: Client, **fields: Any) -> str:
    """Start an asynchronous request; its id."""
    reply = client.infer(QUESTION, mode="async", **fields)
    assert reply.status == 202, reply.body
    answer = reply.json
    assert (answer["status"], answer["stage"]) == ("queued", "CREATED")
    assert reply.headers["location"] == f"/inference/{answer['request_id']}"
    return str(answer["request_id"])


def test_every_stage_runs_once_and_the_answer_is_fetched(site: Site, phone: Client) -> None:
    request_id = queue(phone)
    answer = phone.finished(request_id).json
    assert answer["status"] == "completed"
    assert answer["request_id"] == request_id
    assert answer["output"]["text"]
    events = ended(site, request_id)
    assert entered(events) == list(NAMES)
    assert failures(events) == []


def test_an_answer_is_only_for_its_tenant(phone: Client, stranger: Client) -> None:
    request_id = queue(phone)
    assert stranger.get(f"/inference/{request_id}").status == 404
    assert phone.finished(request_id).json["status"] == "completed"


def test_a_tier_that_fails_is_seen_in_the_history_and_the_next_one_answers(site: Site, phone: Client) -> None:
    assert phone.finished(queue(phone)).json["routing"]["tier"] == "mec"
    site.standins.script(site.standins.mec_urls[0], {"steps": {"*": [{**REFUSED, "repeat": 0}]}})
    request_id = queue(phone)
    answer = phone.finished(request_id).json
    assert answer["status"] == "completed"
    outcomes = [(attempt["target"].split("/")[0], attempt["outcome"]) for attempt in answer["attempts"]]
    assert outcomes[0] == ("mec", "unavailable")
    assert outcomes[-1] == ("cloud", "ok")
    events = ended(site, request_id)
    assert set(failures(events)) == {"TargetFailedError"}
    assert entered(events).count("execute") == 1 + len(failures(events))


def test_when_every_tier_fails_the_run_fails_and_says_so(site: Site, phone: Client) -> None:
    for url in (site.standins.mec_urls[0], site.standins.bedrock_url):
        site.standins.script(url, {"steps": {"*": [{**REFUSED, "repeat": 0}]}})
    request_id = queue(phone)
    assert phone.finished(request_id).json["status"] == "failed"
    events = ended(site, request_id)
    assert failures(events)[-1] == "AllTargetsFailedError", failures(events)
    assert entered(events)[-1] == NAMES[-1], "the failure is recorded by the last stage"
    assert events[-1]["type"] == "ExecutionFailed"


def test_a_stage_without_capacity_is_asked_again(site: Site, phone: Client) -> None:
    """Lambda refuses the call before our code runs, so the machine's own retry is what answers."""
    site.refuse(resource_name("dev", "router"), calls=2)
    request_id = queue(phone)
    assert phone.finished(request_id).json["status"] == "completed"
    events = ended(site, request_id)
    assert failures(events) == ["Lambda.TooManyRequestsException"] * 2
    assert entered(events) == list(NAMES)


def test_one_function_and_the_state_machine_answer_alike(site: Site, phone: Client) -> None:
    fields = {"preferences": {"tiers": ["mec"]}, "params": {"temperature": 0, "max_tokens": 32}}
    direct = phone.infer(QUESTION, **fields).json
    stepped = phone.finished(queue(phone, **fields)).json
    for part in ("output", "usage", "status", "stage"):
        assert stepped[part] == direct[part], part
    for part in ("tier", "target", "policy"):
        assert stepped["routing"][part] == direct["routing"][part], part
