"""What `tierwise learn` can be asked. Nothing but argparse is imported."""

from __future__ import annotations

import argparse


def learn_arguments(parser: argparse.ArgumentParser) -> None:
    """All actions of the command."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    checks = actions.add_parser("checks", help="fit what decides whether a checked answer is kept")
    model = actions.add_parser("model", help="fit a new model's chances from some hundred judged answers")
    model.add_argument("target", metavar="TARGET", help="the target whose model is new")
    model.add_argument(
        "--declared", type=_share, help="quality that its makers declare, 0 to 1 (default: the target's own)"
    )
    for action in (checks, model):
        action.add_argument("--out", metavar="FILE", required=True, help="the file that the settings name")
        action.add_argument("--events", metavar="DIR", help="where the records are (events.dir)")
        action.add_argument(
            "--config", metavar="FILE", help="settings file (TIERWISE_CONFIG, else ./tierwise.toml)"
        )
        # The outer --json must survive when it is only given before the action.
        action.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON")


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0.0 < share < 1.0:
        raise argparse.ArgumentTypeError("must be a number between 0 and 1")
    return share
