"""Batches of requests with their files, and messages that carry a caller's own key in a sealed envelope."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import LONGBLOB

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_NAMES = ("id", "tenant", "key_id", "status", "endpoint", "input_file")
_TIMES = ("started_s", "finalizing_s", "cancelling_s", "ended_s")
_COUNTS = (
    "total", "completed", "failed", "released", "estimate_nano", "cost_nano", "prompt_tokens", "completion_tokens",
)  # fmt: skip


def upgrade() -> None:
    sealed = sa.LargeBinary().with_variant(LONGBLOB(), "mysql", "mariadb")
    op.add_column("request_history", sa.Column("batch", sa.String(64)))
    op.create_index("request_history_by_batch", "request_history", ["batch", "stage"])
    op.add_column("job_messages", sa.Column("envelope", sealed))
    op.add_column("job_messages", sa.Column("envelope_until_s", sa.Double))
    op.create_index("job_messages_by_envelope", "job_messages", ["envelope_until_s"])
    op.create_table(
        "batch_files",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("purpose", sa.String(32), nullable=False),
        sa.Column("filename", sealed, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("lines", sa.BigInteger, nullable=False),
        sa.Column("created_s", sa.Double, nullable=False),
        sa.Column("expires_s", sa.Double),
        sa.Column("ready", sa.Integer, nullable=False),
        mysql_charset="utf8mb4",
        mysql_engine="InnoDB",
    )
    op.create_index("batch_files_by_tenant", "batch_files", ["tenant", "created_s", "id"])
    op.create_table(
        "batch_chunks",
        sa.Column("file", sa.String(64), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("content", sealed, nullable=False),
        mysql_charset="utf8mb4",
        mysql_engine="InnoDB",
    )
    op.create_table(
        "batches",
        *(sa.Column(name, sa.String(64), primary_key=name == "id", nullable=False) for name in _NAMES),
        sa.Column("output_file", sa.String(64)),
        sa.Column("error_file", sa.String(64)),
        sa.Column("outcome", sa.String(16)),
        sa.Column("created_s", sa.Double, nullable=False),
        sa.Column("expires_s", sa.Double, nullable=False),
        *(sa.Column(name, sa.Double) for name in _TIMES),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in _COUNTS),
        sa.Column("about", sealed, nullable=False),
        sa.Column("errors", sealed),
        sa.Column("token", sa.String(32)),
        sa.Column("lent_until_s", sa.Double, nullable=False),
        mysql_charset="utf8mb4",
        mysql_engine="InnoDB",
    )
    op.create_index("batches_by_tenant", "batches", ["tenant", "created_s", "id"])
    op.create_index("batches_by_status", "batches", ["status", "lent_until_s"])


def downgrade() -> None:
    for table in ("batches", "batch_chunks", "batch_files"):
        op.drop_table(table)
    op.drop_index("job_messages_by_envelope", "job_messages")
    op.drop_column("job_messages", "envelope_until_s")
    op.drop_column("job_messages", "envelope")
    op.drop_index("request_history_by_batch", "request_history")
    op.drop_column("request_history", "batch")
