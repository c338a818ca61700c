"""Brings a database to the schema's newest version: one process at a time, whoever comes first."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, inspect, text

from router_core.adapters.sql.database import transact

HEAD: Final = "0004"
_LOCK: Final = 7_245_101
_LOCK_S: Final = 30


def upgrade(engine: Engine) -> None:
    """Create or change the tables where they are older than we are. Raises `StoreError`."""
    if transact(engine, _version, reading=True) != HEAD:
        transact(engine, _upgrade)


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def _upgrade(connection: Connection) -> None:
    # Loading Alembic takes longer than looking whether there is anything for it to do.
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    backend = connection.engine.url.get_backend_name()
    # SQLite's write lock is held already; MariaDB ends a transaction at each change of a table.
    if backend == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    elif backend == "mysql":
        connection.execute(text("SELECT GET_LOCK(:lock, :s)"), {"lock": f"tierwise-{_LOCK}", "s": _LOCK_S})
    try:
        if _version(connection) != HEAD:
            command.upgrade(config, HEAD)
    finally:
        if backend == "mysql":
            connection.execute(text("SELECT RELEASE_LOCK(:lock)"), {"lock": f"tierwise-{_LOCK}"})
