"""What batches promise of their shelves, over every database: files, batches, lines, and the envelopes of messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest
import pytest_asyncio
from sqlalchemy import delete, text

from router_core.adapters.sql.batches import SqlBatches
from router_core.adapters.sql.batches_files import LEFT_S, SqlFiles
from router_core.adapters.sql.batches_lines import SqlBatchLines
from router_core.adapters.sql.batches_tables import BATCHES, CHUNKS, FILES
from router_core.errors import ConflictError, StoreError
from router_core.jobs.batches import (
    CANCELLED,
    CANCELLING,
    CHUNK_BYTES,
    COMPLETED,
    IN_PROGRESS,
    Batch,
    Page,
    Progress,
    StoredFile,
)
from router_core.jobs.records import Envelope, Figures, Job, Step
from router_core.jobs.stages import ANSWERING
from tests.contract.sql.conftest import Jobs

LENT_S = 10.0
CANARY = "canary-of-the-batches-1618"


@dataclass(frozen=True, kw_only=True)
class Shelves:
    jobs: Jobs
    files: SqlFiles
    batches: SqlBatches
    lines: SqlBatchLines


@pytest_asyncio.fixture
async def shelves(jobs: Jobs) -> AsyncIterator[Shelves]:
    with jobs.database.engine.begin() as connection:
        for table in (BATCHES, CHUNKS, FILES):
            connection.execute(delete(table))
    parts = (jobs.database, jobs.sealer, jobs.clock)
    yield Shelves(jobs=jobs, files=SqlFiles(*parts), batches=SqlBatches(*parts), lines=SqlBatchLines(*parts))


def stored(number: int = 1, **more: object) -> StoredFile:
    file = StoredFile(
        id=f"file-{number}", tenant="acme", purpose="batch", filename=f"{CANARY}.jsonl", created_s=1000.0
    )
    return replace(file, **more)  # type: ignore[arg-type]  # fields of it, by the tests below


def batch(number: int = 1, **more: object) -> Batch:
    made = Batch(
        id=f"batch_{number}",
        tenant="acme",
        key_id="k",
        endpoint="/v1/embeddings",
        input_file="file-1",
        created_s=1000.0 + number,
        expires_s=2000.0,
        about=CANARY.encode(),
    )
    return replace(made, **more)  # type: ignore[arg-type]  # fields of it, by the tests below


async def kept(shelves: Shelves, file: StoredFile, *pieces: bytes) -> StoredFile:
    for number, piece in enumerate(pieces):
        await shelves.files.write(file, number, piece)
    whole = replace(file, bytes=sum(map(len, pieces)), lines=len(pieces))
    await shelves.files.finish(whole)
    return whole


async def test_a_file_comes_back_as_it_went_in_and_only_to_its_tenant(shelves: Shelves) -> None:
    pieces = (b"a" * CHUNK_BYTES, CANARY.encode())
    file = await kept(shelves, stored(), *pieces)
    assert await shelves.files.find("acme", file.id) == file
    assert await shelves.files.find("rival", file.id) is None
    assert [await shelves.files.read(file, number) for number in range(3)] == [*pieces, None]
    with pytest.raises(StoreError):
        await shelves.files.read(replace(file, tenant="rival"), 0)
    assert await shelves.files.used("acme") == (1, CHUNK_BYTES + len(CANARY))
    assert await shelves.files.used("rival") == (0, 0)


async def test_nothing_that_a_caller_wrote_can_be_read_in_the_tables(shelves: Shelves) -> None:
    await kept(shelves, stored(), CANARY.encode())
    assert await shelves.batches.create(batch(), 10)
    with shelves.jobs.database.engine.connect() as connection:
        for table in ("batch_files", "batch_chunks", "batches"):
            assert CANARY not in str(connection.execute(text(f"SELECT * FROM {table}")).all())  # noqa: S608 - names of the test's own


async def test_a_file_is_not_there_before_it_is_whole_nor_after_its_time(shelves: Shelves) -> None:
    await shelves.files.write(stored(1), 0, b"x")
    assert await shelves.files.find("acme", "file-1") is None
    timed = await kept(shelves, stored(2, expires_s=1100.0), b"y")
    assert await shelves.files.find("acme", timed.id) == timed
    shelves.jobs.clock.at_s = 1100.0
    assert await shelves.files.find("acme", timed.id) is None
    assert await shelves.files.sweep() == 1
    shelves.jobs.clock.at_s = 1000.0 + LEFT_S + 1.0
    assert await shelves.files.sweep() == 1
    assert await shelves.files.used("acme") == (0, 0)


async def test_written_again_a_piece_is_the_same_piece(shelves: Shelves) -> None:
    file = stored()
    await shelves.files.write(file, 0, b"first")
    await kept(shelves, file, b"again")
    assert await shelves.files.read(file, 0) == b"again"
    assert (await shelves.files.page("acme", Page()))[0].bytes == 5


async def test_a_file_in_use_is_not_deleted(shelves: Shelves) -> None:
    await kept(shelves, stored(), b"x")
    await shelves.batches.create(batch(), 10)
    with pytest.raises(ConflictError):
        await shelves.files.delete("acme", "file-1")
    (lent,) = await shelves.batches.claim(1, LENT_S)
    assert await shelves.batches.save(lent, {"status": COMPLETED}, 0.0)
    assert not await shelves.files.delete("rival", "file-1")
    assert await shelves.files.delete("acme", "file-1")
    assert not await shelves.files.delete("acme", "file-1")
    assert await shelves.files.read(stored(), 0) is None


async def test_batches_are_found_by_their_tenant_and_listed_in_pages(shelves: Shelves) -> None:
    made = [batch(number) for number in range(5)]
    for one in made:
        assert await shelves.batches.create(one, 10)
    assert await shelves.batches.find("acme", "batch_3") == made[3]
    assert await shelves.batches.find("rival", "batch_3") is None
    newest = await shelves.batches.page("acme", Page(limit=2))
    assert [one.id for one in newest] == ["batch_4", "batch_3"]
    older = await shelves.batches.page("acme", Page(limit=9, after="batch_3"))
    assert [one.id for one in older] == ["batch_2", "batch_1", "batch_0"]
    oldest = await shelves.batches.page("acme", Page(limit=2, after="batch_0", ascending=True))
    assert [one.id for one in oldest] == ["batch_1", "batch_2"]
    assert await shelves.batches.page("rival", Page()) == ()
    assert not await shelves.batches.create(batch(9), 5)
    assert await shelves.batches.create(batch(9, tenant="rival"), 5)


async def test_a_batch_is_one_drivers_at_a_time_and_comes_back_when_it_dies(shelves: Shelves) -> None:
    for number in range(4):
        await shelves.batches.create(batch(number), 10)
    rivals = await asyncio.gather(*(shelves.batches.claim(2, LENT_S) for _ in range(4)))
    ids = [lent.batch.id for found in rivals for lent in found]
    assert len(ids) == len(set(ids))
    dead = rivals[0] or rivals[1]
    shelves.jobs.clock.at_s += LENT_S
    again = await shelves.batches.claim(10, LENT_S)
    assert len(again) == 4
    assert not await shelves.batches.save(dead[0], {"released": 7}, LENT_S)
    assert await shelves.batches.save(again[0], {"status": IN_PROGRESS, "released": 7}, 0.0)
    (free,) = await shelves.batches.claim(10, LENT_S)
    assert (free.batch.status, free.batch.released) == (IN_PROGRESS, 7)


async def test_a_cancel_beats_whoever_works_on_it_and_comes_too_late_for_one_that_is_over(
    shelves: Shelves,
) -> None:
    await shelves.batches.create(batch(), 10)
    (lent,) = await shelves.batches.claim(1, LENT_S)
    assert not await shelves.batches.cancel("rival", "batch_1")
    assert await shelves.batches.cancel("acme", "batch_1")
    assert not await shelves.batches.save(lent, {"status": IN_PROGRESS}, 0.0)
    (lent,) = await shelves.batches.claim(1, LENT_S)
    assert (lent.batch.status, lent.batch.outcome) == (CANCELLING, CANCELLED)
    assert await shelves.batches.save(lent, {"status": CANCELLED, "errors": b"[]"}, 0.0)
    assert not await shelves.batches.cancel("acme", "batch_1")
    found = await shelves.batches.find("acme", "batch_1")
    assert found is not None and found.errors == b"[]"


def line(number: int, **more: object) -> Job:
    job = Job(
        request_id=f"req_1_{number}", tenant="acme", created_s=1.0, size=1, request=b"{}", batch="batch_1"
    )
    return replace(job, **more)  # type: ignore[arg-type]  # fields of it, by the tests below


async def test_lines_are_counted_as_they_go_and_withdrawn_without_a_result(shelves: Shelves) -> None:
    history, queue = shelves.jobs.history, shelves.jobs.queue
    await shelves.batches.create(batch(), 10)
    for number in range(4):
        assert await history.create(line(number))
        assert not await history.create(line(number)), "a line is one job, however often it is made"
    first, second = await queue.claim(ANSWERING, 2, LENT_S)
    figures = Figures(cost_nano=70, prompt_tokens=3, completion_tokens=4)
    assert await history.advance(first, Step(stage="COMPLETED", answer=b"{}", figures=figures))
    expected = Progress(waiting=2, running=1, completed=1, cost_nano=70, prompt_tokens=3, completion_tokens=4)
    assert await shelves.lines.progress("batch_1") == expected
    assert await shelves.lines.outstanding() == 3
    assert await shelves.lines.withdraw("batch_1", running=False) == 2
    assert await shelves.lines.withdraw("batch_1", running=True) == 1
    assert not await history.advance(second, Step(stage="COMPLETED", answer=b"{}"))
    assert await queue.claim(ANSWERING, 9, LENT_S) == ()
    jobs = await shelves.lines.jobs("acme", [f"req_1_{number}" for number in range(9)])
    assert [(name, jobs[name].answer) for name in sorted(jobs)] == [
        (f"req_1_{number}", b"{}" if number == 0 else None) for number in range(4)
    ]
    assert await shelves.lines.jobs("rival", ["req_1_0"]) == {}


async def test_lines_are_forgotten_after_their_batch_and_not_before(shelves: Shelves) -> None:
    await shelves.batches.create(batch(), 10)
    await shelves.jobs.history.create(line(1, stage="FAILED"), ())
    shelves.jobs.clock.at_s += 1_000.0
    assert await shelves.jobs.upkeep.forget(shelves.jobs.clock.at_s) == 0
    (lent,) = await shelves.batches.claim(1, LENT_S)
    assert await shelves.batches.save(lent, {"status": COMPLETED}, 0.0)
    assert await shelves.jobs.upkeep.forget(shelves.jobs.clock.at_s) == 1


async def test_an_envelope_goes_with_its_message_and_is_emptied_at_its_time(jobs: Jobs) -> None:
    for number, until_s in enumerate((1_050.0, 1_500.0)):
        await jobs.history.create(line(number), (ANSWERING,), Envelope(sealed=b"sealed", until_s=until_s))
    assert [claim.envelope for claim in await jobs.queue.claim(ANSWERING, 9, LENT_S)] == [b"sealed"] * 2
    jobs.clock.at_s += 60.0
    assert await jobs.upkeep.expire() == 1
    claims = await jobs.queue.claim(ANSWERING, 9, LENT_S)
    assert sorted((claim.job.request_id, claim.envelope) for claim in claims) == [
        ("req_1_0", None),
        ("req_1_1", b"sealed"),
    ]
    for claim in claims:
        assert await jobs.history.advance(claim, Step(stage="FAILED", buried="X"))
    assert "sealed" not in str(await jobs.letters.peek(None, None, 9))
    jobs.clock.at_s = 1_500.0
    assert await jobs.upkeep.expire() == 1, "also of dead ones"
