"""What `tierwise aws` can be asked. Nothing but argparse is imported, because every command's `--help` passes here."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from typing import Final

Parser = argparse.ArgumentParser
_SCALES: Final = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9}
_ENVIRONMENTS: Final = ("dev", "staging", "prod")


def aws_arguments(parser: Parser) -> None:
    """All actions of the command."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    cost = actions.add_parser("cost", help="what a deployment costs a month, idle and per million requests")
    smoke = actions.add_parser("smoke", help="look at a deployment in a real account; reads only")
    _prices(actions.add_parser("prices", help="today's prices of Bedrock's models, as a data file"))
    for action in (cost, smoke):
        action.add_argument("--env", required=True, choices=_ENVIRONMENTS, help="the environment")
        action.add_argument(
            "--json", action="store_true", default=argparse.SUPPRESS, help="print JSON instead of text"
        )
    _cost(cost)
    smoke.add_argument(
        "--url", help="the API's address; asked to explain a decision, too (key: TIERWISE_KEY)"
    )
    smoke.add_argument(
        "--ask", action="store_true", help="also send one request, which costs what one request costs"
    )


def _prices(parser: Parser) -> None:
    parser.add_argument("--region", required=True, help="the region whose prices count")
    parser.add_argument("--out", required=True, metavar="FILE", help="where to write the data file")
    parser.add_argument(
        "--accept", action="store_true", help="take over prices that are far from before, too"
    )
    parser.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help="print JSON instead of text"
    )


def _cost(parser: Parser) -> None:
    parser.add_argument(
        "--requests", type=_count, default=1e6, metavar="N", help="requests a month: 250k, 1M (default 1M)"
    )
    parser.add_argument(
        "--mode",
        choices=("one-function", "state-machine", "async"),
        default="one-function",
        help="what answers: one function, the stages while it waits, or the stages later",
    )
    parser.add_argument(
        "--seconds", type=_within(0.0, 900.0), default=0.8, help="a function's wait for a tier"
    )
    parser.add_argument(
        "--memory-mb", type=_within(128.0, 10_240.0), default=1024.0, help="memory of a function"
    )
    parser.add_argument(
        "--cloud-share", type=_within(0.0, 1.0), default=0.5, help="share of requests that Bedrock answers"
    )
    parser.add_argument("--model", default="amazon.nova-lite-v1:0", help="the model that answers there")
    parser.add_argument(
        "--prompt-tokens", type=_count, default=500.0, metavar="N", help="of one such request"
    )
    parser.add_argument("--output-tokens", type=_count, default=200.0, metavar="N", help="of one such answer")
    parser.add_argument("--templates", metavar="DIR", help="price these templates (a cdk.out) instead")
    parser.add_argument("--prices", metavar="FILE", help="your own price file, in the packaged one's form")


def _count(text: str) -> float:
    found = re.fullmatch(r"(\d{1,12}(?:\.\d{1,6})?)([kmb]?)", text.strip().lower())
    if found is None:
        raise argparse.ArgumentTypeError("must be a number such as 250000, 250k or 1.5M")
    return float(found[1]) * _SCALES[found[2]]


def _within(low: float, high: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"must be a number between {low:g} and {high:g}")
        return value

    return number
