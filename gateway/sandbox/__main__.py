"""Runs the stand-ins: one Bedrock endpoint and any number of MEC nodes, on loopback only.

`python -m gateway.sandbox` prints one JSON line with the ports and the random credentials once they listen.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import secrets
import socket
import sys
import threading
from collections.abc import Mapping

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.sandbox.bedrock import BedrockStandIn
from gateway.sandbox.mec import MecOptions, MecStandIn
from gateway.sandbox.signature import AwsKeys


class ByPort:
    """One ASGI application that passes each request to the stand-in whose port it came to.

    One server for all ports keeps signals and shutdown in one place.
    """

    def __init__(self, apps: Mapping[int, ASGIApp]) -> None:
        self._apps = apps

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            await self._apps[scope["server"][1]](scope, receive, send)


def main(arguments: list[str] | None = None) -> None:
    """Listen, report, and serve until a signal comes or, with `--with-parent`, standard input closes."""
    options = _parser().parse_args(arguments)
    keys = AwsKeys(
        access_key_id=f"AKIASTANDIN{secrets.token_hex(4).upper()}", secret_access_key=secrets.token_hex(20)
    )
    api_key, token = secrets.token_hex(16), secrets.token_hex(16)
    defaults = MecOptions()
    mec = MecOptions(
        models=tuple(options.mec_model) or defaults.models,
        slots=options.mec_slots,
        pace=options.pace,
        api_key=api_key,
        control_token=token,
    )
    bedrock_socket = listen(options.bedrock_port)
    mec_sockets = [listen(port) for port in options.mec_port]
    apps: dict[int, ASGIApp] = {_port(one): MecStandIn(mec) for one in mec_sockets}
    apps[_port(bedrock_socket)] = BedrockStandIn(keys=keys, pace=options.pace, control_token=token)
    ready = {
        "bedrock_port": _port(bedrock_socket),
        "mec_ports": [_port(one) for one in mec_sockets],
        "access_key_id": keys.access_key_id,
        "secret_access_key": keys.secret_access_key,
        "mec_api_key": api_key,
        "control_token": token,
    }
    sys.stdout.write(json.dumps(ready) + "\n")
    sys.stdout.flush()
    if options.with_parent:
        threading.Thread(target=_leave_with_parent, daemon=True).start()
    # Scripted cuts look like application errors to uvicorn, hence the level.
    config = uvicorn.Config(ByPort(apps), lifespan="off", log_level="critical", timeout_graceful_shutdown=1)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(uvicorn.Server(config).serve(sockets=[bedrock_socket, *mec_sockets]))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m gateway.sandbox", description=__doc__)
    parser.add_argument("--bedrock-port", type=int, default=0, help="0 takes a free port")
    parser.add_argument("--mec-port", type=int, action="append", default=[], help="one node; may be repeated")
    parser.add_argument("--mec-model", action="append", default=[], help="a chat model; may be repeated")
    parser.add_argument("--mec-slots", type=int, default=8, help="requests a node runs at once")
    parser.add_argument("--pace", type=float, default=1.0, help="scale of every wait; 0 for none")
    parser.add_argument("--with-parent", action="store_true", help="leave when standard input closes")
    return parser


def listen(port: int) -> socket.socket:
    """A listening loopback socket; clients may connect at once and are served when the loop runs."""
    # asyncio turns Nagle's delay off only on sockets that name their protocol; without it each answer on a
    # kept connection waits 40 ms for the client's delayed acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(512)
    return listener


def _port(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])


def _leave_with_parent() -> None:
    # Read below Python's own buffering: a thread that holds its lock would stop the interpreter from ending.
    with contextlib.suppress(OSError):
        while os.read(0, 4_096):
            pass
    os._exit(0)


if __name__ == "__main__":
    main()
