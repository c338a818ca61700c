"""The tables of batches and of the files that go in and come out of them. What callers wrote is sealed bytes."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Double, Index, Integer, String, Table

from router_core.adapters.sql.tables import METADATA, SEALED

FILES: Final = Table(
    "batch_files",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("purpose", String(32), nullable=False),
    Column("filename", SEALED, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("lines", BigInteger, nullable=False),
    Column("created_s", Double, nullable=False),
    Column("expires_s", Double),
    # 0 while it is still being written.
    Column("ready", Integer, nullable=False),
    Index("batch_files_by_tenant", "tenant", "created_s", "id"),
    mysql_charset="utf8mb4",
    mysql_engine="InnoDB",
)

CHUNKS: Final = Table(
    "batch_chunks",
    METADATA,
    Column("file", String(64), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("content", SEALED, nullable=False),
    mysql_charset="utf8mb4",
    mysql_engine="InnoDB",
)

BATCHES: Final = Table(
    "batches",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("key_id", String(64), nullable=False),
    Column("status", String(64), nullable=False),
    Column("endpoint", String(64), nullable=False),
    Column("input_file", String(64), nullable=False),
    Column("output_file", String(64)),
    Column("error_file", String(64)),
    Column("outcome", String(16)),
    Column("created_s", Double, nullable=False),
    Column("expires_s", Double, nullable=False),
    Column("started_s", Double),
    Column("finalizing_s", Double),
    Column("cancelling_s", Double),
    Column("ended_s", Double),
    Column("total", BigInteger, nullable=False),
    Column("completed", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
    Column("released", BigInteger, nullable=False),
    Column("estimate_nano", BigInteger, nullable=False),
    Column("cost_nano", BigInteger, nullable=False),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
    Column("about", SEALED, nullable=False),
    Column("errors", SEALED),
    # Lent to one driver until then, as messages are to workers.
    Column("token", String(32)),
    Column("lent_until_s", Double, nullable=False),
    Index("batches_by_tenant", "tenant", "created_s", "id"),
    Index("batches_by_status", "status", "lent_until_s"),
    mysql_charset="utf8mb4",
    mysql_engine="InnoDB",
)
