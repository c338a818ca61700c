"""What `tierwise batch` can be asked. Nothing but argparse is imported, because every command's `--help` passes here."""

from __future__ import annotations

import argparse
from typing import Final

Parser = argparse.ArgumentParser
ENDPOINTS: Final = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses")


def batch_arguments(parser: Parser) -> None:
    """All actions of the command."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    submit = actions.add_parser("submit", help="upload a file of JSON Lines and make a batch of it")
    submit.add_argument("file", metavar="FILE", help="one request a line, as OpenAI has it")
    submit.add_argument("--endpoint", choices=ENDPOINTS, default=ENDPOINTS[0], help="what every line asks")
    submit.add_argument("--max-cost-usd", type=float, help="what the batch may cost")
    submit.add_argument("--window-s", type=float, help="seconds until it must be over (a day)")
    status = actions.add_parser("status", help="how far a batch is, and what it cost so far")
    listing = actions.add_parser("list", help="your batches, newest first")
    listing.add_argument("--limit", type=int, default=20, help="how many (default 20, at most 100)")
    cancel = actions.add_parser("cancel", help="start no further line of a batch")
    results = actions.add_parser("results", help="print the results of a batch that is over")
    results.add_argument("--errors", action="store_true", help="the error file instead of the output file")
    results.add_argument("--out", metavar="FILE", help="write them there instead of on stdout")
    for action in (status, cancel, results):
        action.add_argument("id", metavar="ID", help="the batch's id")
    for action in (submit, status):
        action.add_argument("--wait", action="store_true", help="stay until it is over")
    for action in (submit, status, listing, cancel, results):
        action.add_argument("--url", help="a running gateway (TIERWISE_URL, else http://127.0.0.1:8080)")
        action.add_argument(
            "--json", action="store_true", default=argparse.SUPPRESS, help="print JSON instead of text"
        )
