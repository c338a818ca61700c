"""The switch on the deployed templates: the door asks the express machine, and a caller cannot tell."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from router_core.deployment import SYNC_MACHINE
from router_core.stages import NAMES
from tests.aws.conftest import Client, until
from tests.aws.switch import answered_by_stages
from tests.aws.test_workflow import QUESTION, REFUSED, entered, failures, past
from tests.localaws.site import Site

FIELDS = {"preferences": {"tiers": ["mec", "cloud"]}, "params": {"temperature": 0, "max_tokens": 32}}


def awake(phone: Client) -> None:
    """All functions of the stages have begun: six cold ones on a busy machine may together outlast a deadline."""
    until(lambda: phone.infer(f"{QUESTION} {uuid.uuid4()}", **FIELDS).status, lambda status: status == 200)


@pytest.fixture
def stepped(site: Site, phone: Client) -> Iterator[Site]:
    with answered_by_stages(site):
        awake(phone)
        yield site


def test_every_stage_answers_who_waits_as_one_function_does(site: Site, phone: Client) -> None:
    direct = phone.infer(QUESTION, **FIELDS)
    with answered_by_stages(site):
        awake(phone)
        reply = phone.infer(QUESTION, **FIELDS)
        kept = phone.get(f"/inference/{reply.json['request_id']}")
    assert (reply.status, direct.status) == (200, 200), reply.body
    answer = reply.json
    assert entered(past(site, SYNC_MACHINE, answer["request_id"])) == list(NAMES)
    for part in ("output", "usage", "status", "stage"):
        assert answer[part] == direct.json[part], part
    for part in ("tier", "target", "policy"):
        assert answer["routing"][part] == direct.json["routing"][part], part
    left_out = ("x-tierwise-request-id", "x-tierwise-overhead-ms", "x-tierwise-cache", "x-tierwise-cost-usd")
    named = [name for name in direct.headers if name.startswith("x-tierwise-") and name not in left_out]
    assert {name: reply.headers[name] for name in named} == {name: direct.headers[name] for name in named}
    assert kept.json["output"] == answer["output"]


def test_a_tier_that_fails_is_fallen_back_from_while_the_caller_waits(stepped: Site, phone: Client) -> None:
    stepped.standins.script(stepped.standins.mec_urls[0], {"steps": {"*": [{**REFUSED, "repeat": 0}]}})
    reply = phone.infer(f"{QUESTION} {uuid.uuid4()}", **FIELDS)
    assert reply.status == 200, reply.body
    assert [(one["target"].split("/")[0], one["outcome"]) for one in reply.json["attempts"]][-1] == (
        "cloud",
        "ok",
    )
    run = past(stepped, SYNC_MACHINE, reply.json["request_id"])
    assert set(failures(run)) == {"TargetFailedError"}


def test_a_failure_of_every_tier_is_the_same_problem(stepped: Site, phone: Client) -> None:
    for url in (stepped.standins.mec_urls[0], stepped.standins.bedrock_url):
        stepped.standins.script(url, {"steps": {"*": [{**REFUSED, "repeat": 0}]}})
    reply = phone.infer(f"{QUESTION} {uuid.uuid4()}", **FIELDS)
    assert reply.status == 502
    assert reply.json["type"] == "urn:tierwise:problem:all_targets_failed"
    run = past(stepped, SYNC_MACHINE, reply.json["request_id"])
    assert run[-1]["type"] == "ExecutionSucceeded", (
        "a failed answer is an answer; a failed run would have none"
    )


def test_the_same_key_is_answered_once(stepped: Site, phone: Client) -> None:
    once = {"idempotency-key": str(uuid.uuid4())}
    body = {"input": QUESTION, **FIELDS}
    first, again = phone.post("/inference", body, **once), phone.post("/inference", body, **once)
    assert (first.status, again.status) == (200, 200)
    assert again.json["request_id"] == first.json["request_id"]
