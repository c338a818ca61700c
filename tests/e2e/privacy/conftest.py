"""All requests are sent once: pairs to quiet nodes, the multitude to failing ones, the rest when the nodes are gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pytest

from router_core.adapters.events.reader import Damage, read
from tests.e2e.privacy.corpus import Asked, requests
from tests.e2e.privacy.house import NODES, Answered, House, ask_all, open_house, until
from tests.e2e.privacy.repeated import Repeated, ask_twice
from tests.upstream.server import Fault

SEED = 20_240
ALONE = 0.1
"""Share of the requests that come when no node is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What came of everything, and what the log says of it: records by request and kind."""

    repeated: tuple[Repeated, ...]
    amid_faults: tuple[Answered, ...]
    alone: tuple[Answered, ...]
    arrived: tuple[int, int]
    """How often the restricted and the control canary reached the cloud's endpoint."""
    records: dict[str, dict[str, dict[str, Any]]]

    @property
    def answered(self) -> tuple[Answered, ...]:
        return self.amid_faults + self.alone

    def of(self, *, restricted: bool) -> list[Answered]:
        return [one for one in self.answered if one.asked.restricted is restricted]


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with open_house(tmp_path_factory.mktemp("privacy")) as opened:
        yield opened


@pytest.fixture(scope="session")
def size(at_size: Callable[[int, int], int]) -> int:
    """How many restricted requests are sent; as many ordinary ones go beside them."""
    return at_size(1_000, 10_000)


@pytest.fixture(scope="session")
def played(house: House, size: int) -> Played:
    repeated = asyncio.run(ask_twice(house))
    corpus = requests(size, SEED)
    # The longest queue that can be used up: every request may be tried several times.
    house.trouble(3 * size, SEED)
    amid_faults = asyncio.run(ask_all(house, islice(corpus, int(2 * size * (1 - ALONE)))))
    alone = _without_nodes(house, list(corpus))
    until(lambda: _settled(house, [*amid_faults, *alone]))
    return Played(
        repeated=tuple(repeated),
        amid_faults=tuple(amid_faults),
        alone=tuple(alone),
        arrived=house.arrived(),
        records=_records(house),
    )


def _without_nodes(house: House, asked: list[Asked]) -> list[Answered]:
    for node in house.nodes.values():
        node.healthy, node.default = False, Fault(kind="status", status=503)
    until(lambda: all(house.health()[name] == "down" for name in NODES))
    return asyncio.run(ask_all(house, asked))


def _settled(house: House, answered: list[Answered]) -> bool:
    """Whether work that was accepted to be done later is done."""
    records = _records(house)
    later = [one.request_id for one in answered if one.status == 202]
    return all("outcome" in records.get(each, {}) or _refused(records.get(each, {})) for each in later)


def _refused(records: dict[str, dict[str, Any]]) -> bool:
    return records.get("decision", {"chosen": ""})["chosen"] is None


def _records(house: House) -> dict[str, dict[str, dict[str, Any]]]:
    damage, found = Damage(), dict[str, dict[str, dict[str, Any]]]()
    for record in read(house.folder / "var" / "events", damage):
        if "request_id" in record:
            found.setdefault(record["request_id"], {})[record["kind"]] = record
    assert damage.frames == 0
    return found
