"""Requests through the deployed API Gateway: an answer, its decision in DynamoDB, and what is refused at the door."""

from __future__ import annotations

import pytest

from router_core.deployment import resource_name
from tests.aws.conftest import Client
from tests.localaws.site import Site


def test_a_request_is_answered_and_its_decision_is_in_dynamodb(site: Site, phone: Client) -> None:
    reply = phone.infer("set a timer for 5 minutes")
    assert reply.status == 200
    answer = reply.json
    assert answer["output"]["json"] == {"commands": [{"intent": "set_timer", "slots": {"duration_s": 300}}]}
    assert answer["routing"]["target"] == "device/intent-v1"
    stored = site.client("dynamodb").get_item(
        TableName=resource_name("dev", "decisions"),
        Key={"request_id": {"S": answer["request_id"]}, "kind": {"S": "decision"}},
    )["Item"]
    assert stored["chosen"] == {"S": "device/intent-v1"}
    assert stored["tenant"] == {"S": "acme"}
    assert reply.headers["x-tierwise-request-id"] == answer["request_id"]


@pytest.mark.parametrize(
    ("text", "tier"), [("turn off the kitchen lights", "device"), ("Explain CRDTs to a child", "mec")]
)
def test_tiers_answer_behind_the_api(phone: Client, text: str, tier: str) -> None:
    answer = phone.infer(text, preferences={"tiers": ["device", "mec"]}).json
    assert answer["routing"]["tier"] == tier
    assert answer["output"]["text"]


def test_bedrock_answers_behind_the_api_with_a_signed_call(phone: Client) -> None:
    answer = phone.infer("Write a haiku about rain", preferences={"tiers": ["cloud"]}).json
    assert answer["routing"]["tier"] == "cloud"
    assert answer["routing"]["emulated"] is True
    assert answer["cost_usd"] > 0


def test_openai_clients_are_answered(phone: Client) -> None:
    body = {"model": "auto", "messages": [{"role": "user", "content": "Explain CRDTs"}]}
    reply = phone.post("/v1/chat/completions", body)
    assert reply.status == 200
    assert reply.json["choices"][0]["message"]["content"]


def test_a_stored_decision_belongs_to_its_tenant(phone: Client, stranger: Client) -> None:
    request_id = phone.infer("set a timer for 6 minutes").json["request_id"]
    assert phone.get(f"/inference/{request_id}").status == 200
    assert stranger.get(f"/inference/{request_id}").status == 404


def test_a_stream_is_refused_because_api_gateway_cannot_carry_it(phone: Client) -> None:
    reply = phone.infer("Explain CRDTs", stream=True)
    assert reply.status == 422
    assert reply.json["field"] == "$.stream"


@pytest.mark.parametrize("key", [None, "tw-no-such-key-in-this-deployment", "short"])
def test_without_a_known_key_nobody_gets_in(site: Site, key: str | None) -> None:
    reply = Client(site, key).infer("set a timer for 5 minutes")
    assert reply.status == 401
    assert reply.headers["content-type"].startswith("application/problem+json")


def test_a_key_outside_the_usage_plan_is_forbidden(site: Site, phone: Client) -> None:
    """The authorizer's key is the plan's: taking it out of the plan closes the door for everybody."""
    gateway = site.client("apigateway")
    plan = gateway.get_usage_plans()["items"][0]["id"]
    key = gateway.get_usage_plan_keys(usagePlanId=plan)["items"][0]["id"]
    gateway.delete_usage_plan_key(usagePlanId=plan, keyId=key)
    try:
        assert phone.infer("set a timer for 5 minutes").status == 403
    finally:
        gateway.create_usage_plan_key(usagePlanId=plan, keyId=key, keyType="API_KEY")
    assert phone.infer("set a timer for 5 minutes").status == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"inptu": "typo"}, 400),
        ({"input": "x", "messages": []}, 400),
        ({"input": "x", "unknown": 1}, 400),
        (b"{not json", 400),
        ({"input": "x", "preferences": {"tiers": []}}, 400),
        ({"input": "x" * (11 * 1024 * 1024)}, 413),
    ],
)
def test_what_is_no_request_is_a_problem_and_never_an_error_of_ours(
    phone: Client, body: object, status: int
) -> None:
    reply = phone.post("/inference", body)
    assert reply.status == status
    assert reply.json["status"] == status


def test_nothing_else_is_at_this_address(phone: Client) -> None:
    assert phone.get("/admin/targets").status == 404
    assert phone.get("/metrics").status == 404


def test_the_cache_is_shared_by_all_processes(site: Site, phone: Client) -> None:
    """Every function reads Redis with the token that the templates generated."""
    body = {"params": {"temperature": 0}, "preferences": {"tiers": ["mec"]}}
    first, second = (phone.infer("What is a quorum?", **body).json for _ in range(2))
    assert (first["cache"], second["cache"]) == ("miss", "hit")
    assert first["output"]["text"] == second["output"]["text"]
