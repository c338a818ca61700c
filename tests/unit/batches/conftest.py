"""A job store in a SQLite file of its own."""

from __future__ import annotations

from tests.unit.jobs.conftest import store

__all__ = ["store"]
