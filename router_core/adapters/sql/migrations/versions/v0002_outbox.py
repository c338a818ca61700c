"""Messages may also be carried by a transport outside of the database: when each is to be handed over."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("job_messages", sa.Column("publish_s", sa.Double, nullable=False, server_default="0"))
    op.create_index("job_messages_by_publication", "job_messages", ["publish_s"])


def downgrade() -> None:
    op.drop_index("job_messages_by_publication", "job_messages")
    op.drop_column("job_messages", "publish_s")
