"""Asynchronous requests: their history and their messages."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import LONGBLOB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    sealed = sa.LargeBinary().with_variant(LONGBLOB(), "mysql", "mariadb")
    op.create_table(
        "request_history",
        sa.Column("request_id", sa.String(64), primary_key=True),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("created_s", sa.Double, nullable=False),
        sa.Column("changed_s", sa.Double, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        *(sa.Column(name, sealed) for name in ("request", "webhook", "answer", "judgement", "problem")),
        sa.Column("tier", sa.String(16)),
        sa.Column("target", sa.String(128)),
        sa.Column("model", sa.String(256)),
        sa.Column("policy", sa.String(128)),
        sa.Column("prompt_tokens", sa.BigInteger, nullable=False),
        sa.Column("completion_tokens", sa.BigInteger, nullable=False),
        sa.Column("cost_nano", sa.BigInteger, nullable=False),
        sa.Column("score", sa.Double),
        sa.Column("judge_nano", sa.BigInteger, nullable=False),
        sa.Column("repeated_nano", sa.BigInteger, nullable=False),
        sa.Column("runs", sa.Integer, nullable=False),
        sa.Column("judge_runs", sa.Integer, nullable=False),
        mysql_charset="utf8mb4",
        mysql_engine="InnoDB",
    )
    op.create_index("request_history_by_stage", "request_history", ["stage", "changed_s"])
    op.create_table(
        "job_messages",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
        sa.Column("key", sa.String(96), nullable=False, unique=True),
        sa.Column("queue", sa.String(16), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("queued_s", sa.Double, nullable=False),
        sa.Column("visible_s", sa.Double, nullable=False),
        sa.Column("dead", sa.Integer, nullable=False),
        sa.Column("dead_s", sa.Double),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("token", sa.String(32)),
        sa.Column("reason", sa.String(200)),
        mysql_charset="utf8mb4",
        mysql_engine="InnoDB",
    )
    op.create_index("job_messages_by_turn", "job_messages", ["queue", "dead", "visible_s", "id"])
    op.create_index("job_messages_by_token", "job_messages", ["token"])


def downgrade() -> None:
    op.drop_table("job_messages")
    op.drop_table("request_history")
