"""The server process: moto with everything this package adds, on one loopback port.

`python -m tests.localaws.server --port 0 --with-parent` prints one line with its port once it listens, and leaves when
standard input closes. Calls of one kind of store run one after another, because moto's stores are not made for threads.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import socket
import sys
import threading
import warnings
from collections.abc import Callable, Iterable
from typing import Any, Final
from urllib.parse import parse_qs

from tests.localaws import address
from tests.localaws.app_config import LATEST, SESSIONS, AppConfigData

_ONE_AT_A_TIME: Final = ("DynamoDB_20120810.", "Kinesis_20131202.", "AmazonSSM.")
_BACKLOG: Final = 512
Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


class LocalAws:
    """Dispatches a request to the data planes of API Gateway and AppConfig, to what is said about ourselves, or to moto."""

    def __init__(self, moto: Application, gateway: Application, app_config: AppConfigData) -> None:
        self._moto, self._gateway, self._app_config = moto, gateway, app_config
        self._locks = {prefix: threading.Lock() for prefix in _ONE_AT_A_TIME}

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        """Serve one request."""
        path = environ.get("PATH_INFO", "")
        if path.startswith("/_gw/"):
            return self._gateway(environ, start)
        if path in (SESSIONS, LATEST):
            return self._app_config(environ, start)
        if path == "/_localaws/deployed":
            self._app_config.deploy(
                parse_qs(environ["QUERY_STRING"])["profile"][0],
                environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)),
            )
            start("204 No Content", [])
            return [b""]
        if path.startswith("/_localaws/"):
            start("200 OK", [("content-type", "application/json")])
            return [json.dumps(_own(path, parse_qs(environ.get("QUERY_STRING", "")))).encode()]
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        lock = next((lock for prefix, lock in self._locks.items() if target.startswith(prefix)), None)
        with lock or contextlib.nullcontext():
            return list(self._moto(environ, start))


def _own(path: str, query: dict[str, list[str]]) -> dict[str, int]:
    """`recorded`: types that do nothing here. `refuse?function=NAME&calls=N`: no capacity for that many calls."""
    from tests.localaws.cfn_resource import RECORDED
    from tests.localaws.invocation import REFUSALS

    if path.endswith("/refuse"):
        REFUSALS[query["function"][0]] = int(query["calls"][0])
        return REFUSALS
    return RECORDED


def build() -> LocalAws:
    """moto's application, changed. Imports moto here, after its port is known."""
    from moto.core.config import default_user_config
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    from tests.localaws import (
        cfn_engine,
        event_sources,
        event_targets,
        invocation,
        rotation,
        state_machines,
    )
    from tests.localaws.rest.gateway import Gateway

    default_user_config["stepfunctions"]["execute_state_machine"] = True
    for part in (invocation, event_sources, event_targets, rotation, state_machines, cfn_engine):
        part.install()
    return LocalAws(DomainDispatcherApplication(create_backend_app), Gateway(), AppConfigData())


def serve(port: int, with_parent: bool) -> None:
    """Serve until the process is ended."""
    from werkzeug.serving import make_server

    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address.HOST, port))
    listener.listen(_BACKLOG)
    port = int(listener.getsockname()[1])
    os.environ[address.PORT_VARIABLE] = str(port)
    for name, value in address.CREDENTIALS.items():
        os.environ.setdefault(name, value)
    from moto.moto_server.werkzeug_app import MotoRequestHandler

    class Handler(MotoRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_request(self, code: Any = "-", size: Any = "-") -> None:
            """Not one line per request."""

    server = make_server(
        address.HOST, port, build(), threaded=True, request_handler=Handler, fd=listener.fileno()
    )
    print(json.dumps({"port": port}), flush=True)  # noqa: T201  # the one line that the parent waits for
    if with_parent:
        threading.Thread(target=_leave_with_parent, daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()
    _leave()


def _leave_with_parent() -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 4_096):
            pass
    _leave()


def _leave() -> None:
    from tests.localaws.invocation import POOL

    POOL.stop()
    os._exit(0)


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port")
    parser.add_argument("--with-parent", action="store_true", help="leave when standard input closes")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    warnings.simplefilter("ignore")
    serve(options.port, options.with_parent)


if __name__ == "__main__":
    main()
