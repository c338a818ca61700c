"""The matrix is asked once, all cases together; the tests look at what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from tests.e2e.faults.asking import Told
from tests.e2e.faults.house import House, open_house, play, until


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What every client was told, by the case's id, and what the gateway says of itself afterwards."""

    told: Mapping[str, Told]
    metrics: Mapping[tuple[str, ...], float]
    outcomes: Mapping[str, Mapping[str, object]]
    decisions: Mapping[str, Mapping[str, object]]


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with open_house(tmp_path_factory.mktemp("faults")) as opened:
        yield opened


@pytest.fixture(scope="session")
def played(house: House) -> Played:
    told = asyncio.run(play(house))
    tried = sum(1 for each in told.values() if each.ended or each.attempts)
    until(lambda: len(house.records("outcome")) == tried)
    return Played(
        told=told,
        metrics=house.metrics(),
        outcomes=house.records("outcome"),
        decisions=house.records("decision"),
    )
