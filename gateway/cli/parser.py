"""The `tierwise` command: what can be asked for, and which module answers.

Nothing but argparse is imported until a command is chosen, so that `--help` and a mistyped command cost nothing.
Exit status: 0 done, 1 failed, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Final

from gateway.cli.aws_arguments import aws_arguments
from gateway.cli.batches.arguments import batch_arguments
from gateway.cli.edge import edge_arguments, library_arguments, listing_arguments, signed_arguments
from gateway.cli.jobs.arguments import judge_arguments, queue_arguments, worker_arguments
from gateway.cli.learning.arguments import learn_arguments
from gateway.cli.policy.arguments import policy_arguments
from gateway.cli.scoring.arguments import evaluate_arguments, predict_arguments, train_arguments

DONE: Final = 0
FAILED: Final = 1
Parser = argparse.ArgumentParser


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command. `module` has `run(arguments) -> int`, imported only when the command is chosen."""

    name: str
    help: str
    module: str
    arguments: Callable[[Parser], None]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    parser = build_parser()
    options, rest = parser.parse_known_args(argv)
    if rest and not hasattr(options, "rest"):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    options.rest = rest
    if not hasattr(options, "module"):
        parser.print_help(sys.stderr)
        return 2
    try:
        status: int = import_module(options.module).run(options)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output has seen enough; Python must not complain when it flushes at the end.
        sys.stderr.close()
        return FAILED
    except Exception as error:
        from gateway.cli.output import fail

        return fail(error, as_json=options.json)
    return status


def build_parser() -> Parser:
    """The whole command line."""
    parser = Parser(
        prog="tierwise", description="Routes inference to the device, the edge or the cloud, and says why."
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for command in COMMANDS:
        one = commands.add_parser(command.name, help=command.help, description=command.help)
        command.arguments(one)
        one.add_argument("--json", action="store_true", help="print JSON instead of text")
        one.set_defaults(module=command.module)
    return parser


class _Version(argparse.Action):
    """Looks the version up when it is asked for: importlib.metadata costs more than the rest of `--help`."""

    def __call__(self, parser: Parser, *_: object) -> None:
        from importlib.metadata import version

        parser.exit(DONE, f"tierwise {version('tierwise')}\n")


def _serve(parser: Parser) -> None:
    parser.add_argument(
        "--sandbox", action="store_true", help="start local stand-ins for tiers that are not configured"
    )
    _config(parser)
    parser.add_argument("--host", help="address to listen on (server.host)")
    parser.add_argument("--port", type=_port, help="port to listen on, 0 for a free one (server.port)")
    parser.add_argument("--workers", type=_workers, help="processes that share the port (server.workers)")


def _ask(parser: Parser) -> None:
    _request(parser)
    parser.add_argument("--stream", action="store_true", help="print the answer as it comes")
    _gateway(parser)


def _explain(parser: Parser) -> None:
    _request(parser, optional=True)
    parser.add_argument(
        "--sandbox", action="store_true", help="decide in this process, for the sandbox's targets all up"
    )
    parser.add_argument(
        "--deliberate",
        action="store_true",
        help="decide in this process, ask the agents' models as well, show both",
    )
    parser.add_argument(
        "--replay", metavar="ID", help="decide a recorded request again and compare bit by bit"
    )
    parser.add_argument("--events", metavar="DIR", help="where the records are (events.dir)")
    _config(parser)
    _gateway(parser)


def _request(parser: Parser, *, optional: bool = False) -> None:
    parser.add_argument(
        "text", metavar="TEXT", nargs="?" if optional else None, help="the request's text; - reads stdin"
    )
    parser.add_argument(
        "--task", help="chat, command, classify, extract or summarize; inferred when not given"
    )
    parser.add_argument("--optimize", help="balanced, latency, cost, quality, privacy or energy")
    parser.add_argument(
        "--device", nargs="+", metavar="K=V", default=[], help="the caller's device: battery=0.1 class=phone"
    )
    parser.add_argument(
        "--network", nargs="+", metavar="K=V", default=[], help="the caller's network: type=offline"
    )
    parser.add_argument(
        "--set",
        nargs="+",
        metavar="PATH=V",
        default=[],
        help="any field: privacy.residency=eu params.max_tokens=64",
    )


def _gateway(parser: Parser) -> None:
    parser.add_argument("--url", help="a running gateway (TIERWISE_URL, else http://127.0.0.1:8080)")


def _targets(parser: Parser) -> None:
    parser.add_argument(
        "--sandbox", action="store_true", help="list what the sandbox would have, without starting it"
    )
    _config(parser)
    _gateway(parser)


def _config(parser: Parser) -> None:
    parser.add_argument(
        "--config", metavar="FILE", help="settings file (TIERWISE_CONFIG, else ./tierwise.toml)"
    )


def _models(parser: Parser) -> None:
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    listing = actions.add_parser(
        "list", help="device models with their intent catalogue, and models with dated data"
    )
    listing_arguments(listing)
    _config(listing)
    pulling = actions.add_parser("pull", help="fetch a model from the models bucket and prove its checksum")
    pulling.add_argument(
        "key",
        metavar="KEY",
        help="the object's key, as `models list` shows it, or the https:// address of a signed model",
    )
    pulling.add_argument("--to", metavar="FILE", help="where to (its name, in this folder)")
    pulling.add_argument("--sha256", metavar="HEX", help="the checksum it must have (what the bucket says)")
    signed_arguments(pulling)
    _config(pulling)
    library_arguments(actions)
    for action in (listing, pulling):
        action.add_argument(
            "--json", action="store_true", default=argparse.SUPPRESS, help="print JSON instead of text"
        )


def _demo(parser: Parser) -> None:
    parser.add_argument("--pace", type=float, default=1.0, help="scale of the stand-ins' waits (default 1)")


def _bench(parser: Parser) -> None:
    # What this parser does not know is the benchmarks' own (`--quick`, `--only NAME`).
    parser.epilog = "Further options are passed on, e.g. --quick, --only NAME, --out FILE."
    parser.set_defaults(rest=[])


def _doctor(parser: Parser) -> None:
    _config(parser)
    parser.add_argument("--sandbox", action="store_true", help="judge as `serve --sandbox` would")


def _port(text: str) -> int:
    return _whole(text, 0, 65535)


def _workers(text: str) -> int:
    return _whole(text, 1, 64)


def _whole(text: str, low: int, high: int) -> int:
    if not text.isdecimal() or not low <= int(text) <= high:
        raise argparse.ArgumentTypeError(f"must be a whole number between {low} and {high}")
    return int(text)


def _command(name: str, arguments: Callable[[Parser], None], help: str) -> Command:
    return Command(name=name.rpartition(".")[2], help=help, module=f"gateway.cli.{name}", arguments=arguments)


COMMANDS: Final = (
    _command("serve", _serve, "start the gateway"),
    _command("ask", _ask, "send one request to a running gateway and print the answer"),
    _command("explain", _explain, "say where a request would go and why, without sending it on"),
    _command("targets", _targets, "list the targets of a running gateway and how they are"),
    _command("policy", policy_arguments, "show, check, compare and roll out policies"),
    _command("learning.learn", learn_arguments, "fit from the event log what a gateway decides by"),
    _command("models", _models, "list, fetch, check or delete models"),
    _command("edge", edge_arguments, "serve the device model locally, or make keys for devices"),
    _command("aws", aws_arguments, "price a deployment on AWS, or look whether one stands"),
    _command("batches.batch", batch_arguments, "make batches of requests, follow them, fetch their results"),
    _command("jobs.worker", worker_arguments, "work on asynchronous requests, without serving any"),
    _command("jobs.judge", judge_arguments, "measure how right the judges of answers are"),
    _command(
        "jobs.queue", queue_arguments, "look into the queues of asynchronous requests, redrive dead ones"
    ),
    _command(
        "outside.mcp", _gateway, "offer a running gateway's figures and reasons to agents over MCP (stdio)"
    ),
    _command("demo", _demo, "play sixteen requests in a sandbox and print where each went and why"),
    _command("scoring.train", train_arguments, "fit the routing scorer on tables of judged answers"),
    _command("scoring.predict", predict_arguments, "predict quality and length for a folder of questions"),
    _command("scoring.evaluate", evaluate_arguments, "judge predictions against the tables' scores"),
    _command("bench", _bench, "measure the decision and the gateway (from a checkout)"),
    _command("doctor", _doctor, "say what is configured, reachable, and would be used"),
)
