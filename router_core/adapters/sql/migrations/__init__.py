"""The schema's versions, which Alembic walks."""
