"""What `tierwise policy` can be asked. Nothing but argparse is imported, because every command's `--help` passes here."""

from __future__ import annotations

import argparse

Parser = argparse.ArgumentParser
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}


def policy_arguments(parser: Parser) -> None:
    """All actions of the command."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    files = (
        _show(actions.add_parser("show", help="print the policy in force, or how an environment stands")),
        _validate(
            actions.add_parser("validate", help="check a policy file; 1 and the wrong key if it is not valid")
        ),
        _diff(actions.add_parser("diff", help="what changes, key by key")),
        _simulate(
            actions.add_parser("simulate", help="judge a policy by what the event log says of past requests")
        ),
    )
    _proposals(actions.add_parser("proposals", help="what agents propose, and accepting or rejecting it"))
    environments = (
        _push(actions.add_parser("push", help="write a new version and try it on a share of the sessions")),
        _pull(actions.add_parser("pull", help="print or save the document of an environment")),
        _promote(actions.add_parser("promote", help="make the canary the policy of all sessions")),
        _rollback(actions.add_parser("rollback", help="end the canary, or go back to the policy before")),
    )
    for action in (*files, *environments):
        # The outer --json must survive when it is only given before the action.
        action.add_argument(
            "--json", action="store_true", default=argparse.SUPPRESS, help="print JSON instead of text"
        )
    for action in environments:
        _environment(action, required=True)


def _show(parser: Parser) -> Parser:
    _config(parser)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--schema", action="store_true", help="print the JSON schema of the document")
    _environment(which, required=False)
    return parser


def _validate(parser: Parser) -> Parser:
    parser.add_argument("file", metavar="FILE")
    return parser


def _diff(parser: Parser) -> Parser:
    parser.add_argument(
        "before",
        metavar="BEFORE",
        nargs="?",
        help="a policy file, or `default`; with --env a file to compare with the stable policy",
    )
    parser.add_argument(
        "after", metavar="AFTER", nargs="?", help="a policy file (default: the policy in force)"
    )
    _config(parser)
    _environment(parser, required=False)
    return parser


def _simulate(parser: Parser) -> Parser:
    parser.add_argument("--policy", metavar="FILE", required=True, help="the policy that is tried")
    parser.add_argument(
        "--against", metavar="FILE", help="what it would replace: a file or `default` (the policy in force)"
    )
    _evidence(parser)
    _config(parser)
    _environment(parser, required=False)
    return parser


def _proposals(parser: Parser) -> None:
    """A person's side of what agents propose."""
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", dest="verb", required=True)
    meanings = {
        "list": "all that are kept, newest first",
        "show": "one, with its evidence",
        "accept": "have it tried as a canary, or take its document",
        "reject": "say no to it",
    }
    for verb, meaning in meanings.items():
        one = verbs.add_parser(verb, help=meaning)
        if verb != "list":
            one.add_argument("id", metavar="ID")
        if verb in ("show", "accept"):
            one.add_argument("--out", metavar="FILE", help="write the policy document there")
        if verb in ("accept", "reject"):
            one.add_argument("--why", required=True, help="the reason; it is recorded")
        one.add_argument("--url", help="the gateway (TIERWISE_URL, else this machine's)")
        one.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON")


def _evidence(parser: Parser) -> None:
    """Which records count, and how much may be lost."""
    parser.add_argument(
        "--since",
        type=_span,
        default="7d",
        metavar="SPAN",
        help="how far back: 90m, 24h, 7d, 2w (default 7d)",
    )
    parser.add_argument(
        "--events",
        metavar="DIR",
        help="an event log (default: stores.decisions, the table of --env, events.dir)",
    )
    parser.add_argument(
        "--tenant",
        action="append",
        metavar="NAME",
        help="also this one's decisions in the table, beside those of [[keys]]",
    )
    parser.add_argument(
        "--tolerance",
        type=_share,
        default=0.0,
        help="loss of quality, 0 to 1, that a gain in cost or time may have (default 0)",
    )


def _push(parser: Parser) -> Parser:
    parser.add_argument("file", metavar="FILE", help="a policy file; the canary's own changes only its share")
    parser.add_argument(
        "--share",
        type=_share,
        help="part of the sessions that get it at once, 0 to 1 (default: 0.1, reached as evidence grows)",
    )
    parser.add_argument(
        "--ramp", action="store_true", help="reach the share in steps that the evidence so far allows"
    )
    _author(parser)
    return parser


def _pull(parser: Parser) -> Parser:
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--canary", action="store_true", help="the canary instead of the policy in force")
    which.add_argument("--version", type=_version, metavar="N", help="this version")
    parser.add_argument("--out", metavar="FILE", help="write there instead of to stdout")
    return parser


def _promote(parser: Parser) -> Parser:
    _author(parser)
    _evidence(parser)
    _config(parser)
    parser.add_argument(
        "--force", action="store_true", help="promote without enough evidence; recorded with the reason"
    )
    return parser


def _rollback(parser: Parser) -> Parser:
    parser.add_argument("--to", type=_version, metavar="N", help="the version to go back to")
    _author(parser)
    return parser


def _author(parser: Parser) -> None:
    parser.add_argument("--why", required=True, help="the reason; it is recorded with the change")
    parser.add_argument(
        "--by", help="who changes it (default: the AWS identity, else the user of this machine)"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")


def _environment(parser: argparse._ActionsContainer, *, required: bool) -> None:
    parser.add_argument(
        "--env", required=required, choices=("dev", "staging", "prod"), help="the environment"
    )


def _config(parser: Parser) -> None:
    parser.add_argument(
        "--config", metavar="FILE", help="settings file (TIERWISE_CONFIG, else ./tierwise.toml)"
    )


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0.0 <= share <= 1.0:
        raise argparse.ArgumentTypeError("must be a number between 0 and 1")
    return share


def _span(text: str) -> float:
    """Seconds of a span such as 7d."""
    number, unit = text[:-1], _UNITS.get(text[-1:])
    if unit is None or not number.isdecimal() or not 0 < int(number) <= 10_000:
        raise argparse.ArgumentTypeError("must be a span such as 90m, 24h, 7d or 2w")
    return int(number) * unit


def _version(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a version such as 12")
    return int(text)
