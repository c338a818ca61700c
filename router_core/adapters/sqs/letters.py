"""What operators do with the queues on AWS: the rows, and the copies of dead messages that lie in SQS.

Rows say what is dead. SQS may hold more: bodies that nobody of ours wrote, and notes that it set aside by itself because no
worker ever spoke for them. `redrive` brings the latter back, too; `purge` throws both away.
"""

from __future__ import annotations

from router_core.adapters.aws.client import AwsThreads
from router_core.adapters.sql.letters import SqlLetters
from router_core.adapters.sql.outbox import SqlOutbox
from router_core.adapters.sqs.carrier import DEAD, Carrier, DeadNote
from router_core.adapters.sqs.notes import Note, note_of
from router_core.jobs.records import Letter
from router_core.jobs.stages import QUEUES
from router_core.record import dataclass

_HIDDEN_S = 30
_BY_SQS = "set aside by SQS: nobody ended it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What one queue of SQS says of itself, about."""

    queue: str
    visible: int
    in_flight: int
    delayed: int
    dead: int


class SqsLetters:
    """The messages of all queues."""

    def __init__(self, carrier: Carrier, letters: SqlLetters, outbox: SqlOutbox, threads: AwsThreads) -> None:
        self._carrier, self._letters, self._outbox, self._threads = carrier, letters, outbox, threads

    async def peek(self, queue: str | None, state: str | None, most: int) -> tuple[Letter, ...]:
        """The oldest messages, then those that only SQS knows as dead. Raises `StoreError`."""
        rows = await self._letters.peek(queue, state, most)
        if state not in (None, "dead"):
            return rows
        found: dict[str, Letter] = {one.key: one for one in rows if one.state == "dead"}
        own = set(found)
        for name in _named(queue):
            # Looked at without hiding them: an operator's look must not keep a redrive from finding them.
            for dead in await self._threads.run(self._carrier.dead, name, 0):
                letter = _letter(name, dead)
                found.setdefault(letter.key, letter)
        return (*rows, *(one for key, one in found.items() if key not in own))[:most]

    async def redrive(self, queue: str | None, request_id: str | None) -> int:
        """Let dead messages live again, with all their tries; how many. Raises `StoreError`."""
        count = 0
        for name in _named(queue):
            count += await self._cleared(name, request_id, purging=False)
        # The copies go first: a row that is still dead then is redriven by the next try.
        return count + await self._letters.redrive(queue, request_id)

    async def purge(self, queue: str | None, request_id: str | None) -> int:
        """Delete dead messages, and what their jobs kept to be tried again; how many. Raises `StoreError`."""
        count = 0
        for name in _named(queue):
            count += await self._cleared(name, request_id, purging=True)
        return count + await self._letters.purge(queue, request_id)

    async def carried(self) -> tuple[Carried, ...]:
        """What SQS counts. Raises `StoreError`."""
        found = []
        for name in QUEUES:
            live = await self._threads.run(self._carrier.counts, name)
            dead = await self._threads.run(self._carrier.counts, name + DEAD)
            found.append(Carried(queue=name, dead=dead["visible"] + dead["in_flight"], **live))
        return tuple(found)

    async def close(self) -> None:
        """End the threads."""
        await self._threads.close()

    async def _cleared(self, queue: str, request_id: str | None, *, purging: bool) -> int:
        """Look through all dead ones once, and end those that are copies; how many meant more than a copy does."""
        count = 0
        while some := await self._threads.run(self._carrier.dead, queue, _HIDDEN_S):
            ended, more = await self._sorted(some, request_id, purging=purging)
            await self._threads.run(self._carrier.end, queue + DEAD, ended)
            count += more
        return count

    async def _sorted(
        self, some: list[DeadNote], request_id: str | None, *, purging: bool
    ) -> tuple[list[str], int]:
        """Receipts to end, and how many messages live again that only SQS had set aside, or are thrown away that nobody of
        ours wrote."""
        notes = [(one, note_of(one.body)) for one in some]
        dead_rows = await self._outbox.known([note.key for _, note in notes if note is not None])
        ended: list[str] = []
        waiting: set[str] = set()
        thrown = 0
        for one, note in notes:
            if not _wanted(note, request_id) or (note is None and not purging):
                continue
            ended.append(one.receipt)
            thrown += note is None
            if note is not None and dead_rows.get(note.key) is False:
                waiting.add(note.key)
        return ended, thrown + (0 if purging else await self._outbox.again(waiting))


def _named(queue: str | None) -> tuple[str, ...]:
    return QUEUES if queue is None else (queue,)


def _wanted(note: Note | None, request_id: str | None) -> bool:
    return request_id is None or (note is not None and note.request_id == request_id)


def _letter(queue: str, dead: DeadNote) -> Letter:
    note = note_of(dead.body)
    return Letter(
        key=f"{queue}/{dead.receipt[:32]}" if note is None else note.key,
        queue=queue,
        request_id="" if note is None else note.request_id,
        tenant="",
        stage="",
        state="dead",
        tries=dead.received,
        age_s=0.0,
        bytes=len(dead.body),
        reason=dead.reason or _BY_SQS,
    )
