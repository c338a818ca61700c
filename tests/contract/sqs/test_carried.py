"""What SNS and SQS add to the contract of jobs: notes that come twice, late or from strangers, and dead ones with their reason."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from router_core.adapters.sql.outbox import HANDING_S, WAITING_S
from router_core.adapters.sql.queue import LOST_S
from router_core.adapters.sql.schema import upgrade
from router_core.adapters.sqs.carrier import DEAD, Carrier
from router_core.adapters.sqs.notes import MAX_BYTES, Note, body_of, note_of
from router_core.adapters.sqs.queue import NOT_OURS
from router_core.adapters.sqs.topics import Topics as SnsTopics
from router_core.errors import ConfigurationError, StoreError
from router_core.jobs.records import Figures, Job, Step
from router_core.jobs.stages import ANSWERING, JUDGING
from tests.contract.sql.conftest import opened_jobs
from tests.contract.sqs.site import Topics
from tests.contract.sqs.subject import Carried

LENT_S = 30.0
DONE = Step(stage="COMPLETED", answer=b"yes", figures=Figures(cost_nano=7))
POISON = Step(stage="FAILED", problem=b"{}", buried="RuntimeError")


def job(number: int = 1) -> Job:
    return Job(request_id=f"req_{number}", tenant="acme", created_s=999.0, size=5, request=b"orchard")


def note(number: int = 1, queue: str = ANSWERING) -> str:
    return body_of(Note(key=f"req_{number}/{queue}", queue=queue, request_id=f"req_{number}"))


@pytest_asyncio.fixture
async def carried(sqs_site: str, tmp_path: Path) -> AsyncIterator[Carried]:
    rows = opened_jobs(f"sqlite:///{tmp_path / 'jobs.db'}")
    upgrade(rows.database.engine)
    made = Carried(rows, Topics(sqs_site))
    yield made
    await made.close()
    await rows.database.close()


async def test_a_note_says_ids_and_no_text(carried: Carried) -> None:
    await carried.create(job())
    (received,) = carried.topics.carrier().receive(ANSWERING, 10, 0, 1)
    assert json.loads(received.body) == {
        "v": 1, "key": "req_1/inference", "queue": ANSWERING, "request_id": "req_1"
    }  # fmt: skip
    assert len(received.body) < 200


async def test_a_copy_that_comes_while_the_job_runs_is_ended_and_the_job_is_not_lost(
    carried: Carried,
) -> None:
    await carried.create(job())
    (claim,) = await carried.claim(ANSWERING, 10, LENT_S)
    for _ in range(3):
        carried.topics.put(ANSWERING, note())
    assert await carried.claim(ANSWERING, 10, LENT_S) == ()
    assert carried.topics.counts(ANSWERING) == (0, 1)
    carried.rows.clock.at_s += LENT_S + 1
    (again,) = await carried.claim(ANSWERING, 10, LENT_S)
    assert again.tries == 2
    assert await carried.advance(again, DONE)
    assert not await carried.advance(claim, DONE)
    assert carried.topics.counts(ANSWERING) == (0, 0)


async def test_copies_in_one_batch_are_one_claim(carried: Carried) -> None:
    await carried.create(job())
    carried.topics.put(ANSWERING, note())
    (claim,) = await carried.claim(ANSWERING, 10, LENT_S)
    assert await carried.advance(claim, DONE)
    assert carried.topics.counts(ANSWERING) == (0, 0)


async def test_a_note_that_got_lost_is_published_again(carried: Carried) -> None:
    await carried.create(job())
    (claim,) = await carried.claim(ANSWERING, 10, LENT_S)
    await carried.sqs.settle(claim)  # its worker dies now, and SQS knows nothing any more
    carried.rows.clock.at_s += LENT_S + LOST_S - 1
    assert await carried.claim(ANSWERING, 10, LENT_S) == ()
    carried.rows.clock.at_s += 2
    (again,) = await carried.claim(ANSWERING, 10, LENT_S)
    assert again.tries == 2


async def test_a_relay_that_dies_before_it_noted_what_it_did_is_followed_by_another(carried: Carried) -> None:
    await carried.rows.history.create(job())
    assert len(await carried.outbox.due(10)) == 1
    assert await carried.outbox.due(10) == ()
    carried.rows.clock.at_s += HANDING_S + 1
    (claim,) = await carried.claim(ANSWERING, 10, LENT_S)
    assert await carried.advance(claim, DONE)
    carried.rows.clock.at_s += WAITING_S + 1
    assert await carried.outbox.due(10) == ()


async def test_noting_it_late_does_not_undo_what_happened_since(carried: Carried) -> None:
    await carried.rows.history.create(job())
    parcels = await carried.outbox.due(10)
    await carried.threads.run(carried.topics.carrier().publish, parcels)
    (claim,) = await carried.sqs.claim(ANSWERING, 10, LENT_S)
    await carried.release(claim, 5.0, "RuntimeError")
    await carried.outbox.sent(parcels)
    carried.rows.clock.at_s += 6
    assert len(await carried.claim(ANSWERING, 10, LENT_S)) == 1


async def test_dead_ones_lie_in_sqs_with_their_reason_and_leave_it_when_they_are_redriven(
    carried: Carried,
) -> None:
    for number in (1, 2):
        await carried.create(job(number))
    for claim in await carried.claim(ANSWERING, 10, LENT_S):
        assert await carried.advance(claim, POISON)
    dead = carried.topics.carrier().dead(ANSWERING, 0)
    assert {(one.body, one.reason) for one in dead} == {(note(1), "RuntimeError"), (note(2), "RuntimeError")}
    (one,) = [one for one in await carried.letters.real.carried() if one.queue == ANSWERING]
    assert (one.visible, one.dead) == (0, 2)
    assert [one.request_id for one in await carried.letters.peek(None, "dead", 10)] == ["req_1", "req_2"]
    assert await carried.letters.redrive(None, "req_1") == 1
    assert carried.topics.counts(ANSWERING + DEAD)[0] == 0  # looked through: the other is hidden for a while
    carried.topics.pass_time(60)
    assert carried.topics.counts(ANSWERING + DEAD)[0] == 1
    assert await carried.letters.purge(None, None) == 1
    assert carried.topics.counts(ANSWERING + DEAD) == (0, 0)
    (back,) = await carried.claim(ANSWERING, 10, LENT_S)
    assert (back.job.request_id, back.tries, back.job.request) == ("req_1", 1, b"orchard")


async def test_what_sqs_set_aside_by_itself_is_shown_and_brought_back(sqs_site: str, tmp_path: Path) -> None:
    rows = opened_jobs(f"sqlite:///{tmp_path / 'jobs.db'}")
    upgrade(rows.database.engine)
    carried = Carried(rows, Topics(sqs_site, max_receives=2))
    await carried.create(job())
    for _ in range(3):
        carried.topics.carrier().receive(ANSWERING, 10, 0, 0)
    (letter,) = await carried.letters.peek(ANSWERING, "dead", 10)
    assert (letter.request_id, letter.state) == ("req_1", "dead")
    assert "set aside by SQS" in (letter.reason or "")
    assert await carried.letters.redrive(None, None) == 1
    (claim,) = await carried.claim(ANSWERING, 10, LENT_S)
    assert claim.tries == 1
    await carried.close()
    await rows.database.close()


@pytest.mark.parametrize(
    "body",
    ["", "no json", "[]", '{"v":2,"key":"a","queue":"inference","request_id":"r"}', '{"v":1,"key":7}',
     '{"v":1,"key":"a/judge","queue":"judge","request_id":"r"}', "[" * 5_000, " " * (MAX_BYTES + 1)],
)  # fmt: skip
async def test_what_nobody_of_ours_wrote_goes_to_the_dead_ones(carried: Carried, body: str) -> None:
    if len(body) > MAX_BYTES or not body:
        assert note_of(body) is None  # SQS itself refuses to carry it
        return
    carried.topics.put(ANSWERING, body)
    assert await carried.claim(ANSWERING, 10, LENT_S) == ()
    (dead,) = carried.topics.carrier().dead(ANSWERING, 0)
    assert (dead.body, dead.reason) == (body, NOT_OURS)
    (letter,) = await carried.letters.peek(None, "dead", 10)
    assert letter.reason == NOT_OURS
    assert await carried.letters.redrive(None, None) == 0
    carried.topics.pass_time(60)
    # A whole note without a row is a copy of what is over: the redrive has ended it.
    assert await carried.letters.purge(None, None) == (note_of(body) is None)


async def test_a_judges_note_travels_by_its_own_topic(carried: Carried) -> None:
    await carried.create(job())
    (claim,) = await carried.claim(ANSWERING, 10, LENT_S)
    assert await carried.advance(claim, Step(stage="JUDGE", answer=b"yes", publish=(JUDGING,)))
    assert await carried.claim(ANSWERING, 10, LENT_S) == ()
    (judge,) = await carried.claim(JUDGING, 10, LENT_S)
    assert judge.job.answer == b"yes"


async def test_a_lease_that_is_kept_is_kept_in_sqs_too(carried: Carried) -> None:
    await carried.create(job())
    (claim,) = await carried.claim(ANSWERING, 10, LENT_S)
    for _ in range(3):
        carried.rows.clock.at_s += LENT_S - 5
        assert await carried.extend(claim, LENT_S)
        assert carried.topics.counts(ANSWERING) == (0, 1)
    assert await carried.advance(claim, DONE)


async def test_topics_that_are_not_there_are_a_store_error_without_words_of_aws(sqs_site: str) -> None:
    topics = Topics(sqs_site)
    stranger = Carrier(SnsTopics(topics.arn + "-other", topics.sns), topics.sqs)
    with pytest.raises(StoreError, match=r"^the queue does not exist"):
        stranger.receive(ANSWERING, 1, 0, 1)
    with pytest.raises(ConfigurationError, match=r"jobs\.sns must be"):
        SnsTopics("arn:aws:sqs:eu-central-1:1:x", topics.sns)
    topics.close()
