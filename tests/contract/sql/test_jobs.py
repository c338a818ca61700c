"""History and queue, the same promises over every database: stored and published at once, lent once, stored once."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import insert, select, text

from router_core.adapters.sql.batches_tables import BATCHES
from router_core.adapters.sql.schema import HEAD, upgrade
from router_core.adapters.sql.tables import HISTORY, MESSAGES, METADATA
from router_core.errors import StoreError
from router_core.jobs.records import Claim, Figures, Job, Step
from router_core.jobs.stages import ANSWERING, JUDGING
from tests.contract.sql.conftest import Jobs, opened_jobs

DONE = Step(stage="COMPLETED", answer=b"yes", figures=Figures(target="mec/a", cost_nano=7))
LENT_S = 30.0


def job(number: int = 1, tenant: str = "acme", text: bytes = b"what is it?") -> Job:
    return Job(
        request_id=f"req_{number}",
        tenant=tenant,
        created_s=999.0,
        size=len(text),
        request=text,
        webhook=b"{}",
    )


async def claimed(jobs: Jobs, queue: str = ANSWERING, most: int = 10) -> tuple[Claim, ...]:
    return await jobs.queue.claim(queue, most, LENT_S)


async def test_a_job_is_stored_with_its_message_and_comes_back_as_it_was(jobs: Jobs) -> None:
    assert await jobs.history.create(job())
    found = await jobs.history.find("acme", "req_1")
    assert found is not None
    assert (found.request, found.webhook, found.stage, found.runs) == (b"what is it?", b"{}", "CREATED", 0)
    (claim,) = await claimed(jobs)
    assert (claim.job.request, claim.tries, claim.job.stage, claim.job.runs) == (
        b"what is it?",
        1,
        "INFERENCE",
        1,
    )
    assert await jobs.history.advance(claim, DONE)
    done = await jobs.history.find("acme", "req_1")
    assert done is not None
    assert (done.stage, done.answer, done.request, done.figures) == ("COMPLETED", b"yes", None, DONE.figures)
    assert await jobs.letters.peek(None, None, 10) == ()


async def test_the_same_id_is_stored_once(jobs: Jobs) -> None:
    assert await jobs.history.create(job())
    assert not await jobs.history.create(job(text=b"another"))
    (claim,) = await claimed(jobs)
    assert claim.job.request == b"what is it?"


async def test_another_tenant_finds_nothing(jobs: Jobs) -> None:
    await jobs.history.create(job())
    assert await jobs.history.find("rival", "req_1") is None
    assert await jobs.history.find("acme", "req_2") is None


async def test_a_message_is_lent_to_one_and_comes_back_when_its_time_is_over(jobs: Jobs) -> None:
    await jobs.history.create(job())
    (first,) = await claimed(jobs)
    assert await claimed(jobs) == ()
    jobs.clock.at_s += LENT_S - 1
    assert await jobs.queue.extend(first, LENT_S)
    jobs.clock.at_s += LENT_S - 1
    assert await claimed(jobs) == ()
    jobs.clock.at_s += 2
    (second,) = await claimed(jobs)
    assert (second.tries, second.job.runs) == (2, 2)
    assert not await jobs.queue.extend(first, LENT_S)
    assert not await jobs.queue.release(first, 0.0, "late")


async def test_of_two_results_the_first_is_stored_and_both_are_paid(jobs: Jobs) -> None:
    await jobs.history.create(job())
    (first,) = await claimed(jobs)
    jobs.clock.at_s += LENT_S + 1
    (second,) = await claimed(jobs)
    assert await jobs.history.advance(second, DONE)
    late = Step(stage="COMPLETED", answer=b"no", figures=Figures(cost_nano=11))
    assert not await jobs.history.advance(first, late)
    found = await jobs.history.find("acme", "req_1")
    assert found is not None
    assert (found.answer, found.figures.cost_nano, found.repeated_nano) == (b"yes", 7, 11)


async def test_a_step_publishes_the_next_message_in_the_same_act(jobs: Jobs) -> None:
    await jobs.history.create(job())
    (claim,) = await claimed(jobs)
    assert await jobs.history.advance(claim, Step(stage="JUDGE", answer=b"yes", publish=(JUDGING,)))
    assert await claimed(jobs) == ()
    (judge,) = await claimed(jobs, JUDGING)
    assert (judge.job.answer, judge.job.request, judge.job.judge_runs) == (b"yes", b"what is it?", 1)
    scored = Step(stage="COMPLETED", judgement=b"{}", score=0.5, judge_nano=3)
    assert await jobs.history.advance(judge, scored)
    found = await jobs.history.find("acme", "req_1")
    assert found is not None
    assert (found.score, found.judge_nano, found.repeated_nano, found.request) == (0.5, 3, 0, None)


async def test_a_result_that_is_offered_again_is_stored_and_paid_once(jobs: Jobs) -> None:
    await jobs.history.create(job())
    (first,) = await claimed(jobs)
    jobs.clock.at_s += LENT_S + 1
    (second,) = await claimed(jobs)
    answered = Step(stage="JUDGE", answer=b"yes", figures=DONE.figures, publish=(JUDGING,))
    late = Step(stage="JUDGE", answer=b"no", figures=Figures(cost_nano=11), publish=(JUDGING,))
    # As after a lost connection: nobody heard how it ended.
    assert [await jobs.history.advance(second, answered) for _ in range(2)] == [True, True]
    assert [await jobs.history.advance(first, late) for _ in range(2)] == [False, False]
    (judge,) = await claimed(jobs, JUDGING)
    scored = Step(stage="COMPLETED", judgement=b"{}", score=0.5, judge_nano=3)
    assert [await jobs.history.advance(judge, scored) for _ in range(2)] == [True, True]
    assert await jobs.history.advance(second, answered)
    found = await jobs.history.find("acme", "req_1")
    assert found is not None and found.answer == b"yes" and found.stage == "COMPLETED"
    assert (found.figures.cost_nano, found.judge_nano, found.repeated_nano) == (7, 3, 11)


async def test_messages_that_come_again_late_or_for_another_stage_do_nothing(jobs: Jobs) -> None:
    await jobs.history.create(job())
    (claim,) = await claimed(jobs)
    await jobs.history.advance(claim, DONE)
    with jobs.database.engine.begin() as connection:
        for queue in (ANSWERING, JUDGING):
            for number in range(2):
                connection.execute(
                    insert(MESSAGES).values(
                        key=f"req_1/{queue}/{number}", queue=queue, request_id="req_1", queued_s=1.0,
                        visible_s=1.0, dead=0, tries=0,
                    )
                )  # fmt: skip
    assert await claimed(jobs, ANSWERING) == await claimed(jobs, JUDGING) == ()
    assert await jobs.letters.peek(None, None, 10) == ()
    found = await jobs.history.find("acme", "req_1")
    assert found is not None and (found.stage, found.runs) == ("COMPLETED", 1)


async def test_what_is_given_back_waits_and_only_a_counted_try_counts(jobs: Jobs) -> None:
    await jobs.history.create(job())
    (claim,) = await claimed(jobs)
    assert await jobs.queue.release(claim, 5.0, "RateLimitedError", counted=False)
    found = await jobs.history.find("acme", "req_1")
    assert found is not None and (found.stage, found.runs) == ("GATEWAY", 0)
    assert await claimed(jobs) == ()
    jobs.clock.at_s += 6
    (again,) = await claimed(jobs)
    assert (again.tries, again.reason) == (1, "RateLimitedError")
    assert await jobs.queue.release(again, 0.0, "RuntimeError")
    (last,) = await claimed(jobs)
    assert (last.tries, last.job.runs) == (2, 2)


async def test_poison_is_set_aside_with_its_reason_and_redriven(jobs: Jobs) -> None:
    for number in (1, 2):
        await jobs.history.create(job(number))
    for claim in await claimed(jobs):
        failed = Step(stage="FAILED", problem=b"{}", buried="RuntimeError")
        assert await jobs.history.advance(claim, failed)
    assert await claimed(jobs) == ()
    (depth,) = await jobs.upkeep.depths()
    assert (depth.waiting, depth.dead) == (0, 2)
    letters = await jobs.letters.peek(ANSWERING, "dead", 10)
    assert [(one.request_id, one.reason, one.stage, one.tenant) for one in letters] == [
        ("req_1", "RuntimeError", "FAILED", "acme"), ("req_2", "RuntimeError", "FAILED", "acme")
    ]  # fmt: skip
    assert "what is it" not in repr(letters)
    assert await jobs.letters.redrive(None, "req_1") == 1
    assert await jobs.letters.purge(ANSWERING, None) == 1
    (back,) = await claimed(jobs)
    assert (back.job.request_id, back.tries, back.job.request) == ("req_1", 1, b"what is it?")
    assert await jobs.history.advance(back, DONE)
    purged = await jobs.history.find("acme", "req_2")
    assert purged is not None and (purged.stage, purged.request) == ("FAILED", None)


async def test_depths_tell_how_many_wait_run_and_are_delayed_and_how_long(jobs: Jobs) -> None:
    for number in range(4):
        await jobs.history.create(job(number))
    first, _ = await claimed(jobs, most=2)
    await jobs.queue.release(first, 100.0, "later")
    jobs.clock.at_s += 10
    (depth,) = await jobs.upkeep.depths()
    assert (depth.queue, depth.waiting, depth.delayed, depth.running, depth.dead) == (ANSWERING, 2, 1, 1, 0)
    assert depth.oldest_s == 10.0


async def test_ended_jobs_are_forgotten_when_they_are_old(jobs: Jobs) -> None:
    for number in (1, 2):
        await jobs.history.create(job(number))
    (claim,) = await claimed(jobs, most=1)
    await jobs.history.advance(claim, DONE)
    assert await jobs.upkeep.forget(jobs.clock.at_s) == 0
    assert await jobs.upkeep.forget(jobs.clock.at_s + 1) == 1
    assert await jobs.history.find("acme", claim.job.request_id) is None
    assert len(await claimed(jobs)) == 1


async def test_texts_are_sealed_and_bound_to_their_row(jobs: Jobs) -> None:
    await jobs.history.create(job(1, text=b"orchard-canary"))
    await jobs.history.create(job(2, tenant="rival", text=b"another"))
    with jobs.database.engine.begin() as connection:
        rows = {row.request_id: bytes(row.request) for row in connection.execute(select(HISTORY))}
        assert b"orchard" not in rows["req_1"]
        connection.execute(
            HISTORY.update().where(HISTORY.c.request_id == "req_2").values(request=rows["req_1"])
        )
    with pytest.raises(StoreError, match="changed, or belongs elsewhere"):
        await jobs.history.find("rival", "req_2")
    stranger = opened_jobs(jobs.url, jobs.clock, key=b"x" * 32)
    with pytest.raises(StoreError, match="a key that is not here"):
        await stranger.history.find("acme", "req_1")
    # A worker with the wrong key leaves the jobs alone; whoever has the right one gets them later.
    assert await claimed(stranger) == ()
    await stranger.database.close()
    jobs.clock.at_s += LENT_S + 1
    assert [claim.job.request_id for claim in await claimed(jobs)] == ["req_1"]


async def test_many_workers_that_ask_at_once_each_get_others(jobs: Jobs) -> None:
    count = 120
    for number in range(count):
        await jobs.history.create(job(number))
    stores = [opened_jobs(jobs.url, jobs.clock) for _ in range(4)]
    got: Counter[str] = Counter()
    chance = random.Random(5)

    async def work(store: Jobs) -> None:
        while claims := await store.queue.claim(ANSWERING, chance.randint(1, 7), LENT_S):
            for claim in claims:
                got[claim.job.request_id] += 1
                assert await store.history.advance(claim, DONE)

    await asyncio.gather(*(work(store) for store in stores for _ in range(2)))
    for store in stores:
        await store.database.close()
    assert got == Counter({f"req_{number}": 1 for number in range(count)})
    assert await jobs.letters.peek(None, None, 1) == ()


async def test_the_migrations_make_the_tables_that_the_code_uses(jobs: Jobs) -> None:
    with jobs.database.engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == HEAD
        assert BATCHES.metadata is METADATA
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


async def test_several_processes_may_bring_a_new_database_up_at_once(tmp_path: Path) -> None:
    stores = [opened_jobs(f"sqlite:///{tmp_path / 'new.db'}") for _ in range(4)]
    await asyncio.gather(*(asyncio.to_thread(upgrade, store.database.engine) for store in stores))
    assert await stores[0].history.create(job())
    assert len(await claimed(stores[3])) == 1
    for store in stores:
        await store.database.close()


async def test_a_database_that_is_away_is_a_store_error_without_its_words() -> None:
    away = opened_jobs("postgresql://secret-user@127.0.0.1:9/nothing")
    with pytest.raises(StoreError, match=r"^the job store cannot be reached$"):
        await away.history.find("acme", "req_1")
    await away.database.close()
