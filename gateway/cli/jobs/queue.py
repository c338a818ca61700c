"""`tierwise queue`: looks into the queues of asynchronous requests, and deals with the dead messages."""

from __future__ import annotations

import argparse
import asyncio
import os
from dataclasses import asdict

from gateway.cli.output import FAILED, note, print_json, print_table
from gateway.composition.jobs import open_queues
from gateway.composition.jobs_store import OperatedQueues
from gateway.settings.loading import load
from router_core.jobs.records import Letter


def run(options: argparse.Namespace) -> int:
    """Raises `ConfigurationError` or `StoreError`."""
    settings = load(options.config, os.environ).jobs
    return asyncio.run(_run(options, open_queues(settings, os.environ)))


async def _run(options: argparse.Namespace, queues: OperatedQueues) -> int:
    try:
        if options.action == "stats":
            return await _stats(queues, as_json=options.json)
        if options.action == "peek":
            found = await queues.letters.peek(options.queue, options.state, options.limit)
            return _peek(found, as_json=options.json)
        if options.action == "redrive":
            return _done("redriven", await queues.letters.redrive(options.queue, options.id), options)
        if not options.yes:
            note("dead messages are deleted for good; say --yes")
            return FAILED
        return _done("purged", await queues.letters.purge(options.queue, options.id), options)
    finally:
        await queues.close()


async def _stats(queues: OperatedQueues, *, as_json: bool) -> int:
    depths, carried = await queues.upkeep.depths(), await queues.carried()
    if as_json:
        told: dict[str, object] = {"queues": [asdict(depth) for depth in depths]}
        print_json(told if not carried else told | {"sqs": [asdict(one) for one in carried]})
        return 0
    if carried:
        print_table(
            ("sqs", "visible", "in flight", "delayed", "dead"),
            [(c.queue, c.visible, c.in_flight, c.delayed, c.dead) for c in carried],
        )
    if depths:
        columns = ("queue", "waiting", "delayed", "running", "dead", "oldest")
        print_table(
            columns,
            [(d.queue, d.waiting, d.delayed, d.running, d.dead, f"{d.oldest_s:.1f} s") for d in depths],
        )
    else:
        note("no message waits, runs or is dead")
    return 0


def _peek(letters: tuple[Letter, ...], *, as_json: bool) -> int:
    if as_json:
        print_json({"messages": [asdict(letter) for letter in letters]})
        return 0
    columns = ("request", "tenant", "queue", "state", "stage", "tries", "age", "bytes", "reason")
    print_table(
        columns,
        [
            (
                x.request_id,
                x.tenant,
                x.queue,
                x.state,
                x.stage,
                x.tries,
                f"{x.age_s:.0f} s",
                x.bytes,
                x.reason,
            )
            for x in letters
        ],
    )
    return 0


def _done(what: str, count: int, options: argparse.Namespace) -> int:
    if options.json:
        print_json({what: count})
    else:
        print(f"{what}: {count}")
    return 0
