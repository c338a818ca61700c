"""`tierwise edge` and the device models of `tierwise models`: what can be asked for. Imports nothing but argparse."""

from __future__ import annotations

import argparse

Parser = argparse.ArgumentParser


def run(options: argparse.Namespace) -> int:
    """See `gateway.cli.edge.commands`."""
    from gateway.cli.edge import commands

    return commands.run(options)


def edge_arguments(parser: Parser) -> None:
    """`edge serve`, `edge key`, `edge sign`."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", dest="action", required=True)
    serving = actions.add_parser("serve", help="an OpenAI-compatible server over the device model")
    serving.add_argument("--model", metavar="DIR", help="a model folder (the shipped one)")
    serving.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    serving.add_argument("--port", type=int, default=8090, help="port, 0 for a free one (8090)")
    serving.add_argument("--queue", type=int, default=64, help="calls that may wait before 429 (64)")
    making = actions.add_parser(
        "key", help="make a key to sign bundles and models with; prints the public one"
    )
    making.add_argument("file", metavar="FILE", help="where the private key goes")
    signing = actions.add_parser("sign", help="sign the manifest of a model folder")
    signing.add_argument("folder", metavar="DIR", help="the model folder")
    signing.add_argument("--key", metavar="FILE", required=True, help="the private key")
    whole = "for a folder without a manifest: "
    signing.add_argument(
        "--name", metavar="NAME", help=f"{whole}what the model is called (the folder's name)"
    )
    signing.add_argument("--version", metavar="VERSION", help=f"{whole}its version")
    signing.add_argument("--licence", metavar="SPDX", help=f"{whole}its licence")
    signing.add_argument(
        "--min-ram-mb", metavar="MB", type=int, default=0, help=f"{whole}memory that a device must have"
    )
    _as_json(serving, making, signing)


def library_arguments(actions: argparse._SubParsersAction[Parser]) -> None:
    """`models verify`, `models evict`."""
    verifying = actions.add_parser("verify", help="check every file of a device model against its manifest")
    verifying.add_argument("name", metavar="NAME", help="a model here, or a model folder")
    evicting = actions.add_parser("evict", help="delete a version that does not serve from a library")
    evicting.add_argument("name", metavar="NAME")
    evicting.add_argument("version", metavar="VERSION")
    evicting.add_argument("--library", metavar="DIR", required=True, help="where pulled models lie")
    _as_json(verifying, evicting)


def listing_arguments(listing: Parser) -> None:
    """What `models list` shows beside the models that the package brings."""
    listing.add_argument("--library", metavar="DIR", help="also the pulled models that lie here")


def signed_arguments(pulling: Parser) -> None:
    """What `models pull` needs to know for an address instead of a bucket's key."""
    pulling.add_argument("--library", metavar="DIR", help="for an https:// KEY: where pulled models lie")
    pulling.add_argument(
        "--trust", metavar="KEY", nargs="+", default=[], help="for an https:// KEY: public keys of signers"
    )
    pulling.add_argument("--activate", action="store_true", help="for an https:// KEY: it serves from now on")


def _as_json(*parsers: Parser) -> None:
    for each in parsers:
        each.add_argument(
            "--json", action="store_true", default=argparse.SUPPRESS, help="print JSON instead of text"
        )
