"""A batch from its file to its results, over the application and a store on disk."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from gateway.batches.parts import BatchLimits
from gateway.jobs.store import JobStore
from router_core.errors import NoPermittedTargetError, RateLimitedError
from router_core.execution import Output
from router_core.inference import InferenceRequest
from router_core.jobs.batches import Schedule
from tests.unit.batches.house import CHAT, LineRouter, batch_house, content, ended, jsonl, line, make, upload
from tests.unit.gateway.asgi import OTHER, call
from tests.unit.gateway.scripted import TEXT, OpenLimiter, text_output


async def test_every_line_is_answered_once_in_the_order_of_the_file(store: JobStore) -> None:
    async with batch_house(store) as app:
        made = await make(app, [line(n) for n in range(30)], metadata={"night": "1"})
        assert (made.status, made.json["status"], made.json["object"]) == (200, "validating", "batch")
        done = await ended(app, made.json["id"])
        assert done["status"] == "completed"
        assert done["request_counts"] == {"total": 30, "completed": 30, "failed": 0}
        assert done["metadata"] == {"night": "1"}
        assert done["error_file_id"] is None
        results = await content(app, done["output_file_id"])
    assert [one["custom_id"] for one in results] == [f"r-{n}" for n in range(30)]
    assert {one["response"]["status_code"] for one in results} == {200}
    body = results[0]["response"]["body"]
    assert (body["object"], body["choices"][0]["message"]["content"]) == ("chat.completion", TEXT)
    assert done["tierwise"]["cost_usd"] == pytest.approx(30 * 0.000012)
    assert done["usage"]["total_tokens"] == 30 * 14


async def test_lines_are_of_class_batch_and_money_decides_and_keys_limits_are_left_alone(
    store: JobStore,
) -> None:
    class NoTokens(OpenLimiter):
        async def admit(self, key_id: str, tokens: int) -> None:
            if tokens:
                raise RateLimitedError("no", retry_after_s=60.0)
            await super().admit(key_id, tokens)

    router, limiter = LineRouter(), NoTokens()
    async with batch_house(store, router, limiter) as app:
        done = await ended(app, (await make(app, [line(1)])).json["id"])
    assert done["request_counts"]["completed"] == 1
    assert limiter.admitted == [("phone-app", 0)] * 2, "the upload and the batch themselves count"
    asked = router.asked[0]
    assert asked.metadata["priority"] == "batch"
    assert (asked.asynchronous, asked.preferences.optimize) == (True, "cost")
    # The script permits the node and the device, both free: the nearer one comes first.
    assert asked.preferences.tiers == ("device",)


async def test_no_more_lines_are_jobs_at_once_than_the_schedule_says(store: JobStore) -> None:
    most, running = 0, 0

    class Counting(LineRouter):
        async def answer(self, request: InferenceRequest) -> Any:
            nonlocal most, running
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.01)
            running -= 1
            return await super().answer(request)

    limits = BatchLimits(schedule=Schedule(running=3))
    async with batch_house(store, Counting(), limits=limits) as app:
        done = await ended(app, (await make(app, [line(n) for n in range(12)])).json["id"])
    assert done["request_counts"]["completed"] == 12
    assert 1 <= most <= 3


async def test_a_line_that_may_go_nowhere_is_in_the_error_file_with_the_endpoints_status(
    store: JobStore,
) -> None:
    class Strict(LineRouter):
        async def answer(self, request: InferenceRequest) -> Any:
            if request.privacy.level == "restricted":
                raise NoPermittedTargetError("nothing may", rejected={"cloud/x": "privacy: restricted"})
            return await super().answer(request)

    lines = [line(0), line(1, tierwise={"privacy": {"level": "restricted"}}), line(2)]
    async with batch_house(store, Strict()) as app:
        done = await ended(app, (await make(app, lines)).json["id"])
        assert done["request_counts"] == {"total": 3, "completed": 2, "failed": 1}
        good = await content(app, done["output_file_id"])
        bad = await content(app, done["error_file_id"])
    assert [one["custom_id"] for one in good] == ["r-0", "r-2"]
    assert bad[0]["response"]["status_code"] == 400
    assert bad[0]["response"]["body"]["error"]["code"] == bad[0]["error"]["code"] == "no_permitted_target"


async def test_what_the_batch_says_of_privacy_holds_for_every_line(store: JobStore) -> None:
    router = LineRouter()
    lines = [line(0), line(1, tierwise={"privacy": {"level": "public"}})]
    wishes = {"privacy": {"level": "confidential", "residency": "eu"}}
    async with batch_house(store, router) as app:
        await ended(app, (await make(app, lines, tierwise=wishes)).json["id"])
    assert {(one.privacy.level, one.privacy.residency) for one in router.asked} == {("confidential", "eu")}


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"custom_id": "r-0", "method": "POST", "url": CHAT, "body": {"model": "auto"}}, "invalid_request"),
        (line(0), "duplicate_custom_id"),
        (line(1, url="/v1/embeddings"), "invalid_request"),
        (line(1, model="nobody"), "model_not_found"),
        (line(1, stream=True), "invalid_request"),
        (line(1) | {"method": "GET"}, "invalid_request"),
        (["no object"], "invalid_request"),
    ],
)
async def test_a_file_with_a_wrong_line_fails_and_says_which(store: JobStore, wrong: Any, code: str) -> None:
    router = LineRouter()
    async with batch_house(store, router) as app:
        done = await ended(app, (await make(app, [line(0), wrong])).json["id"])
    assert (done["status"], done["output_file_id"]) == ("failed", None)
    found = done["errors"]["data"]
    assert [(one["line"], one["code"]) for one in found] == [(2, code)]
    assert router.asked == []


async def test_another_tenants_file_and_batch_are_not_there(store: JobStore) -> None:
    async with batch_house(store) as app:
        made = await make(app, [line(0)])
        done = await ended(app, made.json["id"])
        for path in (
            f"/v1/batches/{done['id']}",
            f"/v1/files/{done['input_file_id']}",
            f"/v1/files/{done['output_file_id']}/content",
        ):
            assert (await call(app, "GET", path, key=OTHER)).status == 404
        assert (await call(app, "POST", f"/v1/batches/{done['id']}/cancel", key=OTHER)).status == 404
        assert (await call(app, "DELETE", f"/v1/files/{done['input_file_id']}", key=OTHER)).status == 404
        body = {"input_file_id": done["input_file_id"], "endpoint": CHAT, "completion_window": "24h"}
        assert (await call(app, "POST", "/v1/batches", body, key=OTHER)).status == 404
        for path in ("/v1/files", "/v1/batches"):
            assert (await call(app, "GET", path, key=OTHER)).json["data"] == []


async def test_a_cancelled_batch_keeps_what_was_answered_and_says_so_of_the_rest(store: JobStore) -> None:
    router = LineRouter(wait_s=0.05)
    limits = BatchLimits(schedule=Schedule(running=2))
    async with batch_house(store, router, limits=limits) as app:
        made = (await make(app, [line(n) for n in range(40)])).json
        async with asyncio.timeout(10.0):
            while len(router.asked) < 3:  # noqa: ASYNC110 - the script knows nothing of events
                await asyncio.sleep(0.01)
        cancelled = await call(app, "POST", f"/v1/batches/{made['id']}/cancel")
        assert (cancelled.status, cancelled.json["status"]) == (200, "cancelling")
        done = await ended(app, made["id"])
        good, bad = await content(app, done["output_file_id"]), await content(app, done["error_file_id"])
        again = await call(app, "POST", f"/v1/batches/{made['id']}/cancel")
        assert again.status == 409
    assert done["status"] == "cancelled"
    assert done["cancelled_at"] and done["cancelling_at"]
    assert sorted([*good, *bad], key=lambda one: int(one["custom_id"][2:])) != []
    assert len(good) + len(bad) == 40
    assert {one["custom_id"] for one in good}.isdisjoint(one["custom_id"] for one in bad)
    assert {one["error"]["code"] for one in bad} == {"batch_cancelled"}


async def test_at_the_windows_end_what_is_there_is_given_and_the_rest_is_expired(store: JobStore) -> None:
    def slow(request: InferenceRequest) -> Output:
        return text_output(request)

    router = LineRouter(output=slow, wait_s=0.3)
    limits = BatchLimits(schedule=Schedule(running=1), pressed_running=1)
    async with batch_house(store, router, limits=limits) as app:
        made = (await make(app, [line(n) for n in range(20)], tierwise={"window_s": 1.5})).json
        done = await ended(app, made["id"])
        good, bad = await content(app, done["output_file_id"]), await content(app, done["error_file_id"])
    assert (done["status"], done["expired_at"] is not None) == ("expired", True)
    assert len(good) >= 1 and len(bad) >= 1 and len(good) + len(bad) == 20
    assert {one["error"]["code"] for one in bad} == {"batch_expired"}


async def test_a_batch_stops_at_what_it_may_cost(store: JobStore) -> None:
    limits = BatchLimits(schedule=Schedule(running=1))
    async with batch_house(store, LineRouter(), limits=limits) as app:
        made = await make(app, [line(n) for n in range(10)], tierwise={"max_cost_usd": 0.00003})
        done = await ended(app, made.json["id"])
        bad = await content(app, done["error_file_id"])
    assert done["status"] == "completed"
    assert 1 <= done["request_counts"]["completed"] <= 4
    assert {one["error"]["code"] for one in bad} == {"batch_budget_exceeded"}


async def test_lists_come_in_pages_newest_first(store: JobStore) -> None:
    async with batch_house(store) as app:
        made = [(await make(app, [line(n)])).json["id"] for n in range(3)]
        first = (await call(app, "GET", "/v1/batches?limit=2")).json
        assert ([one["id"] for one in first["data"]], first["has_more"]) == ([made[2], made[1]], True)
        rest = (await call(app, "GET", f"/v1/batches?limit=2&after={first['last_id']}")).json
        assert ([one["id"] for one in rest["data"]], rest["has_more"]) == ([made[0]], False)
        files = (await call(app, "GET", "/v1/files?purpose=batch&order=asc")).json
        assert len(files["data"]) == 3
        assert (await call(app, "GET", "/v1/files?limit=x")).status == 400


async def test_a_file_that_a_batch_needs_stays_until_it_is_over(store: JobStore) -> None:
    router = LineRouter(wait_s=0.2)
    async with batch_house(store, router) as app:
        made = (await make(app, [line(0)])).json
        assert (await call(app, "DELETE", f"/v1/files/{made['input_file_id']}")).status == 409
        await ended(app, made["id"])
        gone = await call(app, "DELETE", f"/v1/files/{made['input_file_id']}")
        assert gone.json == {"id": made["input_file_id"], "object": "file", "deleted": True}
        assert (await call(app, "GET", f"/v1/files/{made['input_file_id']}")).status == 404


async def test_a_tenant_has_only_so_many_unfinished_batches_and_files(store: JobStore) -> None:
    limits = replace(BatchLimits(), tenant_batches=1, tenant_files=2)
    async with batch_house(store, LineRouter(wait_s=0.5), limits=limits) as app:
        assert (await make(app, [line(0)])).status == 200
        full = await make(app, [line(1)])
        assert (full.status, full.headers["retry-after"]) == (429, "60")
        assert (await upload(app, jsonl([line(2)]))).status == 413


async def test_two_processes_at_one_store_give_each_line_one_result(
    store: JobStore, second: JobStore
) -> None:
    routers = LineRouter(wait_s=0.01), LineRouter(wait_s=0.01)
    await store.opened()  # the first process makes the file's key
    async with batch_house(store, routers[0]) as one, batch_house(second, routers[1]) as other:
        made = [(await make(app, [line(n) for n in range(20)])).json["id"] for app in (one, other)]
        for batch_id, elsewhere in zip(made, (other, one), strict=True):
            done = await ended(elsewhere, batch_id)
            assert done["request_counts"] == {"total": 20, "completed": 20, "failed": 0}
            results = await content(elsewhere, done["output_file_id"])
            assert [found["custom_id"] for found in results] == [f"r-{n}" for n in range(20)]
    asked = [one.request_id for router in routers for one in router.asked]
    assert len(asked) == len(set(asked)) == 40
