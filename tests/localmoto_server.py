"""moto's server as `tests.localmoto` starts it: DynamoDB is served one request at a time.

moto checks a condition and writes in two steps, between which another thread may write; DynamoDB's conditional writes are
atomic. Without this, a test of fifty concurrent spenders would measure moto.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Any

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import run_simple


class OneAtATime:
    """A WSGI application in which calls of DynamoDB wait for one another."""

    def __init__(self, served: Any) -> None:
        self._served, self._turn = served, threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if not environ.get("HTTP_X_AMZ_TARGET", "").startswith("DynamoDB"):
            answer: Iterable[bytes] = self._served(environ, start_response)
            return answer
        with self._turn:
            return [*_read(self._served(environ, start_response))]


def _read(answer: Any) -> Iterator[bytes]:
    if hasattr(answer, "close"):
        with closing(answer):
            yield from answer
    else:
        yield from answer


if __name__ == "__main__":
    run_simple(
        "127.0.0.1",
        0,
        OneAtATime(DomainDispatcherApplication(create_backend_app)),
        threaded=True,
        request_handler=MotoRequestHandler,
    )
