"""Which run stored what: a run that did not hear of its own success is not counted as another one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_COLUMNS = ("answered_by", "judged_by", "repeated_by")


def upgrade() -> None:
    for name in _COLUMNS:
        op.add_column("request_history", sa.Column(name, sa.String(32)))


def downgrade() -> None:
    for name in _COLUMNS:
        op.drop_column("request_history", name)
