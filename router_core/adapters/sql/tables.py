"""The tables of asynchronous requests. Texts are sealed bytes; what reports and operators read are plain columns."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
)
from sqlalchemy.dialects.mysql import LONGBLOB

METADATA: Final = MetaData()
SEALED: Final = LargeBinary().with_variant(LONGBLOB(), "mysql", "mariadb")
# SQLite numbers rows by itself for this type only.
_ROW: Final = BigInteger().with_variant(Integer(), "sqlite")

HISTORY: Final = Table(
    "request_history",
    METADATA,
    Column("request_id", String(64), primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("stage", String(16), nullable=False),
    Column("created_s", Double, nullable=False),
    Column("changed_s", Double, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("request", SEALED),
    Column("webhook", SEALED),
    Column("answer", SEALED),
    Column("judgement", SEALED),
    Column("problem", SEALED),
    Column("tier", String(16)),
    Column("target", String(128)),
    Column("model", String(256)),
    Column("policy", String(128)),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
    Column("cost_nano", BigInteger, nullable=False),
    Column("score", Double),
    Column("judge_nano", BigInteger, nullable=False),
    Column("repeated_nano", BigInteger, nullable=False),
    Column("runs", Integer, nullable=False),
    Column("judge_runs", Integer, nullable=False),
    # The batch that it is a line of; emptied when the batch's results are written.
    Column("batch", String(64)),
    # The runs whose results these are; see `history`.
    Column("answered_by", String(32)),
    Column("judged_by", String(32)),
    Column("repeated_by", String(32)),
    Index("request_history_by_stage", "stage", "changed_s"),
    Index("request_history_by_batch", "batch", "stage"),
    mysql_charset="utf8mb4",
    mysql_engine="InnoDB",
)

MESSAGES: Final = Table(
    "job_messages",
    METADATA,
    Column("id", _ROW, primary_key=True, autoincrement=True),
    # Dedup: a job has at most one message in a queue.
    Column("key", String(96), nullable=False, unique=True),
    Column("queue", String(16), nullable=False),
    Column("request_id", String(64), nullable=False),
    Column("queued_s", Double, nullable=False),
    # Lent or delayed until then; a dead one has its time of death in `dead_s`.
    Column("visible_s", Double, nullable=False),
    Column("dead", Integer, nullable=False),
    Column("dead_s", Double),
    Column("tries", Integer, nullable=False),
    Column("token", String(32)),
    Column("reason", String(200)),
    # A caller's own key, sealed; emptied when its time is over.
    Column("envelope", SEALED),
    Column("envelope_until_s", Double),
    # When it is handed to a transport outside of the database, where there is one; see `outbox`.
    Column("publish_s", Double, nullable=False, server_default="0"),
    Index("job_messages_by_turn", "queue", "dead", "visible_s", "id"),
    Index("job_messages_by_token", "token"),
    Index("job_messages_by_envelope", "envelope_until_s"),
    Index("job_messages_by_publication", "publish_s"),
    mysql_charset="utf8mb4",
    mysql_engine="InnoDB",
)
