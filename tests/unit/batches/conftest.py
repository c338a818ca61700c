"""A job store in a SQLite file of its own, and the same file as another process has it open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from gateway.composition.jobs_store import open_sql
from gateway.jobs.store import JobStore, OpenJobs
from router_core.adapters.system_clock import SystemClock
from tests.unit.jobs.conftest import store

__all__ = ["store"]


@pytest_asyncio.fixture
async def second(tmp_path: Path) -> AsyncIterator[JobStore]:
    async def opened() -> OpenJobs:
        return await asyncio.to_thread(
            open_sql, f"sqlite:///{tmp_path / 'jobs.db'}", None, None, SystemClock()
        )

    made = JobStore(opened, wanted=lambda: True)
    yield made
    await made.close()
