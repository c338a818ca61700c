"""Real PostgreSQL and MariaDB on free ports of this machine, with their data in a folder that goes away with them.

Both refuse to run as root, so root starts them as `nobody`.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psycopg
from sqlalchemy import NullPool, create_engine, text

USER = "tierwise"
START_S = 60.0
_PATHS = (
    "/usr/sbin",
    "/usr/local/sbin",
    *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)),
)


def binary(name: str) -> str | None:
    """Where a program is, also in the folders that distributions keep off the path."""
    return shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), *_PATHS)))


@contextmanager
def running_postgres() -> Iterator[str]:
    """The address of an empty PostgreSQL database, without a password."""
    initdb, postgres = binary("initdb"), binary("postgres")
    assert initdb and postgres
    with _folder() as folder:
        data, port = folder / "data", _free_port()
        _call([initdb, "-D", str(data), "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C"])
        command = [postgres, "-D", str(data), "-p", str(port), "-k", str(folder), "-h", "127.0.0.1"]
        with _served([*command, "-c", "fsync=off"], folder / "log"):
            url = f"postgresql://{USER}@127.0.0.1:{port}/postgres"
            _await(partial(_speaks, url), psycopg.OperationalError, folder)
            yield url


def _speaks(url: str) -> None:
    psycopg.connect(url, connect_timeout=2).close()


@contextmanager
def running_mariadb() -> Iterator[str]:
    """The same of MariaDB."""
    install, server = binary("mariadb-install-db"), binary("mariadbd")
    assert install and server
    with _folder() as folder:
        data, port, socket_file = folder / "data", _free_port(), folder / "s.sock"
        _call(
            [
                install,
                "--no-defaults",
                f"--datadir={data}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ]
        )
        command = [
            server, "--no-defaults", f"--datadir={data}", f"--port={port}", "--bind-address=127.0.0.1",
            f"--socket={socket_file}", "--innodb-flush-log-at-trx-commit=2", "--innodb-buffer-pool-size=64M",
        ]  # fmt: skip
        with _served(command, folder / "log"):
            _await(partial(_listens, socket_file), OSError, folder)
            _prepare(socket_file)
            yield f"mysql://{USER}@127.0.0.1:{port}/tierwise"


def _prepare(socket_file: Path) -> None:
    engine = create_engine(f"mysql+pymysql://root@localhost/?unix_socket={socket_file}", poolclass=NullPool)
    with engine.begin() as connection:
        for statement in (
            "CREATE DATABASE tierwise",
            f"CREATE USER '{USER}'@'127.0.0.1'",
            f"CREATE USER '{USER}'@'localhost'",
            f"GRANT ALL ON tierwise.* TO '{USER}'@'127.0.0.1'",
            f"GRANT ALL ON tierwise.* TO '{USER}'@'localhost'",
        ):
            connection.execute(text(statement))


def _listens(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as own:
        own.connect(str(place))


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tw-sql-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        yield folder


def _as_nobody(command: Sequence[str]) -> list[str]:
    if os.geteuid() != 0:
        return list(command)
    nobody = pwd.getpwnam("nobody")
    drop = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
    return [*drop, *command]


def _call(command: Sequence[str]) -> None:
    done = subprocess.run(
        _as_nobody(command), cwd="/", capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


@contextmanager
def _served(command: Sequence[str], log: Path) -> Iterator[None]:
    with log.open("wb") as out:
        process = subprocess.Popen(_as_nobody(command), cwd="/", stdout=out, stderr=out)
    try:
        yield
    finally:
        process.send_signal(signal.SIGQUIT if "postgres" in command[0] else signal.SIGTERM)
        try:
            process.wait(20.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(connect: Callable[[], None], refused: type[Exception], folder: Path) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            connect()
            return
        except refused:
            assert time.monotonic() < deadline, (folder / "log").read_text(errors="replace")[-3000:]
            time.sleep(0.1)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
