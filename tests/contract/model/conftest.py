"""Gives each contract test every adapter in turn, and those over a network a second time by name."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.contract.model.subjects import REMOTE, SUBJECTS, Subject


@pytest.fixture(params=sorted(SUBJECTS))
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    """An adapter, with its upstream where it has one."""
    async with SUBJECTS[request.param]() as opened:
        yield opened


@pytest.fixture(params=sorted(REMOTE))
async def remote(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    """An adapter whose model is behind a socket that can be told to fail."""
    async with SUBJECTS[request.param]() as opened:
        yield opened
