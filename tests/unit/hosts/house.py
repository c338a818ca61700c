"""Functions of one environment over one model server, and the events that API Gateway would send them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from infra.constructs.workflow import definition
from router_core.stages import NAMES
from tests.parity.cases import TARGETS, Case
from tests.parity.machine import Run, walk
from tests.parity.site import Clock, House, environment, proxy_event
from tests.upstream.server import FaultServer

MACHINE = definition({name: name for name in NAMES})
PINNED = {"preferences": {"target": "mec/a"}}


@contextmanager
def one_server(folder: Path) -> Iterator[tuple[House, FaultServer]]:
    """Every target is the same server."""
    with FaultServer(length=6) as server:
        house = House(environment(dict.fromkeys(TARGETS, server.url), folder))
        try:
            yield house, server
        finally:
            house.close()


def asked(house: House, case: Case, clock: Clock | None = None) -> tuple[int, Any, dict[str, list[str]]]:
    """Status, body and headers of one request to the api function."""
    told = house.host("api")(proxy_event(case), clock or Clock())
    body = json.loads(told["body"]) if told["body"] else None
    return told["statusCode"], body, told["multiValueHeaders"]


def run(house: House, request: dict[str, Any]) -> Run:
    """The workflow over that payload."""
    return walk(MACHINE, house.functions(), request)
