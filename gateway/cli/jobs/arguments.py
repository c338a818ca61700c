"""What `tierwise worker` and `tierwise queue` can be asked. Nothing but argparse is imported, because every command's
`--help` passes here."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

Parser = argparse.ArgumentParser
QUEUES: Final = ("inference", "judge", "webhook")
STATES: Final = ("waiting", "delayed", "running", "dead")
_CONFIG: Final = "settings file (TIERWISE_CONFIG, else ./tierwise.toml)"


def worker_arguments(parser: Parser) -> None:
    """Which queues, and how much at once."""
    parser.add_argument("queues", metavar="QUEUE", nargs="+", choices=QUEUES, help=", ".join(QUEUES))
    parser.add_argument("--concurrency", type=_count, help="jobs of a queue at once (jobs.workers, else 8)")
    parser.add_argument("--config", metavar="FILE", help=_CONFIG)


def judge_arguments(parser: Parser) -> None:
    """All actions of the command."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    calibrate = actions.add_parser(
        "calibrate", help="how right the judges are, on answers whose worth is known"
    )
    calibrate.add_argument(
        "file",
        metavar="FILE",
        type=Path,
        help='JSON lines: {"question", "answer", "label": 0..1, "reference"?, "model"?}',
    )
    calibrate.add_argument(
        "--out", metavar="FILE", type=Path, help="keep it for jobs.judge_rates in the settings"
    )
    calibrate.add_argument(
        "--judges", type=_count, help="how many judges an answer gets (the policy's judging.judges)"
    )
    calibrate.add_argument("--config", metavar="FILE", help=_CONFIG)
    calibrate.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help="print JSON instead of text"
    )


def queue_arguments(parser: Parser) -> None:
    """All actions of the command."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    stats = actions.add_parser("stats", help="how many messages wait, run or are dead, and how old they are")
    peek = actions.add_parser("peek", help="the oldest messages: ids, states and reasons, no text")
    redrive = actions.add_parser("redrive", help="let dead messages live again, with all their tries")
    purge = actions.add_parser("purge", help="delete dead messages for good")
    for action in (stats, peek, redrive, purge):
        action.add_argument("--config", metavar="FILE", help=_CONFIG)
        action.add_argument(
            "--json", action="store_true", default=argparse.SUPPRESS, help="print JSON instead of text"
        )
    for action in (peek, redrive, purge):
        action.add_argument("--queue", choices=QUEUES, help="of this queue only")
    peek.add_argument("--state", choices=STATES, help="in this state only")
    peek.add_argument("--limit", type=_count, default=20, help="how many (default 20)")
    for action in (redrive, purge):
        action.add_argument("--id", metavar="ID", help="of this request only")
    purge.add_argument("--yes", action="store_true", help="really delete them")


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 10_000:
        raise argparse.ArgumentTypeError("must be a whole number between 1 and 10000")
    return int(text)
