"""Asynchronous requests through what was deployed: a stored job's message goes by SNS and SQS to a function, which answers it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from gateway.composition.jobs_store import open_jobs, operated
from gateway.jobs.place import JobPlace
from gateway.jobs.store import OpenJobs
from router_core.adapters.system_clock import SystemClock
from router_core.deployment import DEAD_LETTERS, JOB_QUEUES, JOBS, RELAY, resource_name, settings_prefix
from router_core.inference import Caller
from router_core.jobs.records import Job
from router_core.jobs.stages import TERMINAL
from router_core.payload import to_json
from tests.localaws import address
from tests.localaws.site import Site
from tests.unit.jobs.bench import request

PATIENCE_S = 90.0
"""A cold function with a database takes its time on a busy machine."""


@pytest.fixture
def place(site: Site, monkeypatch: pytest.MonkeyPatch) -> JobPlace:
    """What a gateway of the deployment would be told, and the AWS it would ask."""
    for name, value in address.environment(site.aws_url).items():
        monkeypatch.setenv(name, value)
    settings = site.client("ssm").get_parameters_by_path(Path=f"{settings_prefix('dev')}/{JOBS}")[
        "Parameters"
    ]
    told = {one["Name"].rsplit("/", 1)[1]: one["Value"] for one in settings}
    arn = told["key"].removeprefix("aws-secret:")
    key = site.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]
    return JobPlace(url=told["url"], key=key, sns=told["sns"])


def job(number: int, text: bytes | None = None) -> Job:
    asked = request(
        request_id=f"req_aws_{number}",
        received_s=time.time(),
        caller=Caller(tenant="acme", key_id="phone-app"),
        messages=({"role": "user", "content": f"turn on the kitchen lights, please, {number} of them"},),
        asynchronous=True,
    )
    body = orjson.dumps(to_json(asked)) if text is None else text
    return Job(request_id=asked.request_id, tenant="acme", created_s=asked.received_s, size=1, request=body)


async def ended(opened: OpenJobs, numbers: range) -> list[Job]:
    """The jobs, once all of them are over."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            found = [await opened.history.find("acme", f"req_aws_{number}") for number in numbers]
            if all(one is not None and one.stage in TERMINAL for one in found):
                return [one for one in found if one is not None]
            await asyncio.sleep(0.2)


async def test_jobs_are_answered_by_functions_and_poison_ends_among_the_dead(
    site: Site, place: JobPlace
) -> None:
    opened = await open_jobs(place, SystemClock())
    for number in range(6):
        assert await opened.history.create(job(number, b"poison" if number == 5 else None))
    _publish_copy(site, 0)
    jobs = await ended(opened, range(5))
    assert [one.stage for one in jobs] == ["COMPLETED"] * 5
    assert all(one.answer and one.figures.target and one.runs == 1 for one in jobs)
    await _redelivered(site, opened, lambda: _dead(site))
    (lost,) = await ended(opened, range(5, 6))
    assert lost.stage == "FAILED"
    await opened.close()
    (note,) = _dead(site)
    assert json.loads(note["Body"])["request_id"] == "req_aws_5"
    assert note["MessageAttributes"]["reason"]["StringValue"] == "JSONDecodeError"
    queues = await asyncio.to_thread(operated, place)
    (letter,) = await queues.letters.peek(None, "dead", 10)
    assert (letter.request_id, letter.reason) == ("req_aws_5", "JSONDecodeError")
    assert await queues.letters.purge(None, None) == 1
    await queues.close()
    assert _dead(site) == []


def test_everything_that_a_host_is_told_is_there(site: Site) -> None:
    names = {one["FunctionName"] for one in site.client("lambda").list_functions()["Functions"]}
    assert {resource_name("dev", f"{JOBS}-{name}") for name in (*JOB_QUEUES, RELAY)} <= names
    mappings = site.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    ours = [one for one in mappings if f"{JOBS}-" in one["EventSourceArn"]]
    assert len(ours) == len(JOB_QUEUES)


def _publish_copy(site: Site, number: int) -> None:
    """A message that SNS delivers twice."""
    topic = resource_name("dev", f"{JOBS}-inference")
    note = {
        "v": 1,
        "key": f"req_aws_{number}/inference",
        "queue": "inference",
        "request_id": f"req_aws_{number}",
    }
    for one in site.client("sns").list_topics()["Topics"]:
        if one["TopicArn"].endswith(f":{topic}"):
            site.client("sns").publish(TopicArn=one["TopicArn"], Message=json.dumps(note))


async def _redelivered(site: Site, opened: OpenJobs, seen: Callable[[], Any]) -> None:
    """What waits for its next try is published by the relay, which a schedule calls; no schedule fires here."""
    async with asyncio.timeout(PATIENCE_S):
        while not seen():
            await asyncio.to_thread(
                site.client("lambda").invoke,
                FunctionName=resource_name("dev", f"{JOBS}-{RELAY}"),
                Payload=b"{}",
            )
            await asyncio.sleep(0.5)


def _dead(site: Site) -> list[dict[str, Any]]:
    sqs = site.client("sqs")
    url = sqs.get_queue_url(QueueName=resource_name("dev", f"{JOBS}-inference{DEAD_LETTERS}"))["QueueUrl"]
    found: list[dict[str, Any]] = sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0, MessageAttributeNames=["All"]
    ).get("Messages", [])
    return found
