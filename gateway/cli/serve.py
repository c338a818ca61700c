"""`tierwise serve`: plans, listens, starts what the sandbox needs, and serves with one process or several.

What users and scripts read is on stdout, in this order and at once: the ready line, then the generated key.
Everything for people is on stderr.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING

from gateway.cli.output import note
from gateway.composition.plan import Plan, is_loopback, missing_tiers, plan
from gateway.composition.policy import check_policy
from gateway.composition.sandbox import NO_ACCESS, Access
from gateway.settings.loading import check, load
from gateway.settings.schema import Settings
from gateway.settings.secrets import Secret
from router_core.errors import ConfigurationError

if TYPE_CHECKING:
    from gateway.sandbox.processes import StandIns

BACKLOG = 2048


def run(options: argparse.Namespace) -> int:
    """Serve until a signal ends it. Raises `ConfigurationError` before anything is started, `OSError` for the port."""
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s"
    )
    settings = with_options(load(options.config, os.environ), options)
    check_startable(settings, sandbox=options.sandbox)
    with listening(settings) as listener, stand_ins(settings, sandbox=options.sandbox) as (access, child):
        made = plan(settings, os.environ, sandbox=options.sandbox, access=access)
        announce(made, sandbox=options.sandbox)
        ready = _Ready(made, listener, as_json=options.json)
        if settings.server.workers > 1:
            from gateway.serve_workers import serve_many

            return serve_many(
                made, listener, ready, inherited=child.process.stdin if child is not None else None
            )
        from gateway.serve_worker import serve_one

        return serve_one(made, listener, ready)


def with_options(settings: Settings, options: argparse.Namespace) -> Settings:
    """Command-line options over settings, checked as settings are."""
    given = {name: getattr(options, name) for name in ("host", "port", "workers")}
    changed = {name: value for name, value in given.items() if value is not None}
    settings = replace(settings, server=replace(settings.server, **changed))
    check(settings)
    return settings


def check_startable(settings: Settings, *, sandbox: bool) -> None:
    """Everything that can be known to be wrong before a port is taken. Raises `ConfigurationError`."""
    check_policy(settings.policy)
    if sandbox and not is_loopback(settings.server.host) and not settings.keys:
        raise ConfigurationError(
            f"the sandbox with its generated key listens on loopback only, not on {settings.server.host}; configure a "
            "key first, or leave --host out"
        )
    plan(settings, os.environ, sandbox=sandbox)


@contextmanager
def listening(settings: Settings) -> Iterator[socket.socket]:
    """The bound and listening socket; with port 0 the system chooses."""
    host, port = settings.server.host.strip("[]"), settings.server.port
    try:
        info = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except OSError as error:
        raise ConfigurationError(f"server.host {host} cannot be resolved") from error
    listener = socket.socket(info[0], info[1])
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted connections inherit it: small answers must not wait for an acknowledgement (Nagle).
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            listener.bind(info[4])
        except OSError as error:
            raise OSError(error.errno, f"cannot listen on {host} port {port}: {error.strerror}") from error
        listener.listen(BACKLOG)
        yield listener
    finally:
        listener.close()


@contextmanager
def stand_ins(settings: Settings, *, sandbox: bool) -> Iterator[tuple[Access, StandIns | None]]:
    """Start what the sandbox lacks, in one child process, and stop it at the end."""
    missing = missing_tiers(settings) if sandbox else ()
    if "mec" not in missing and "cloud" not in missing:
        yield NO_ACCESS, None
        return
    started = _start_stand_ins(missing, import_meanwhile=settings.server.workers == 1)
    try:
        yield access_to(started, missing), started
    finally:
        started.stop()


def _start_stand_ins(missing: tuple[str, ...], *, import_meanwhile: bool) -> StandIns:
    """Starting them takes half a second of another process: time in which a single server imports its own modules.
    A parent of several workers must not, because it forks and so must stay without threads."""
    from gateway.composition.sandbox import MEC_MODEL
    from gateway.sandbox.processes import start_standins

    nodes = 1 if "mec" in missing else 0
    if not import_meanwhile:
        return start_standins(mec_nodes=nodes, mec_models=(MEC_MODEL,))
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(start_standins, mec_nodes=nodes, mec_models=(MEC_MODEL,))
        try:
            import_module("gateway.serve_worker")
        except BaseException:
            starting.result().stop()
            raise
        return starting.result()


def access_to(started: StandIns, missing: tuple[str, ...]) -> Access:
    """What the plan must know of the running stand-ins."""
    return Access(
        mec_url=started.mec_urls[0] if "mec" in missing else None,
        mec_api_key=Secret(started.mec_api_key, "sandbox"),
        bedrock_url=started.bedrock_url if "cloud" in missing else None,
        access_key_id=started.access_key_id,
        secret_access_key=Secret(started.secret_access_key, "sandbox"),
    )


def announce(made: Plan, *, sandbox: bool) -> None:
    """Tell people on stderr what stands in for what, and what is missing."""
    emulated = [target.spec.name for target in made.targets if target.spec.emulated]
    if sandbox and emulated:
        note(
            f"SANDBOX: {', '.join(emulated)} are stand-ins; their answers are marked emulated and mean nothing"
        )
    for line in made.notes:
        note(f"note: {line}")


class _Ready:
    """Prints the ready line and the key once, flushed."""

    def __init__(self, made: Plan, listener: socket.socket, *, as_json: bool) -> None:
        self._key = made.printed
        self._url = address(listener)
        self._as_json = as_json

    def __call__(self) -> None:
        lines = [f"tierwise ready on {self._url}"]
        if self._key is not None:
            lines.append(f"key: {self._key.reveal()}")
        if self._as_json:
            document: Mapping[str, str | None] = {
                "ready": self._url,
                "key": self._key.reveal() if self._key is not None else None,
            }
            lines = [json.dumps(document)]
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()


def address(listener: socket.socket) -> str:
    """The URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
