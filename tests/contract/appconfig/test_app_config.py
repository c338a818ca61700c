"""Documents from AppConfig with the real SDK, against a stand-in that reads requests by the SDK's own model."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import make_server

from gateway.jobs.tuning import Document, Tuned
from router_core.adapters.aws.app_config import AppConfigDocument
from router_core.adapters.tuning_file import FileDocument
from router_core.errors import ConfigurationError, StoreError
from router_core.jobs.tuning import NOTHING, Tuning
from router_core.policy.judging import Judging
from tests.localaws.app_config import AppConfigData
from tests.localmoto import client

PROFILE = "tierwise-dev/dev/jobs"
FIRST = b'{"schema":"tierwise.jobs/1","sampling":{"rate":0.5}}'
SECOND = b'{"schema":"tierwise.jobs/1","judges":["mec/qwen"],"limits":{"running":2,"max_waiting":7}}'


class Clock:
    """Time of the stand-in."""

    def __init__(self) -> None:
        self.at_s = 0.0

    def __call__(self) -> float:
        return self.at_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def service(clock: Clock) -> AppConfigData:
    return AppConfigData(now=clock)


@contextmanager
def served(service: AppConfigData) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, service)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def sdk(service: AppConfigData) -> Iterator[Any]:
    with served(service) as url, closing(client(url, "appconfigdata")) as made:
        yield made


def test_a_document_is_told_once_and_again_when_it_changed(
    service: AppConfigData, sdk: Any, clock: Clock
) -> None:
    service.deploy(PROFILE, FIRST)
    document = AppConfigDocument(sdk, PROFILE)
    assert (document.latest(), document.version, document.every_s) == (FIRST, "1", 15.0)
    clock.at_s += document.every_s
    assert document.latest() is None
    service.deploy(PROFILE, SECOND)
    clock.at_s += document.every_s
    assert (document.latest(), document.version) == (SECOND, "2")
    clock.at_s += document.every_s
    assert document.latest() is None
    assert service.questions == 5


def test_who_asks_too_soon_or_with_an_old_token_begins_anew(
    service: AppConfigData, sdk: Any, clock: Clock
) -> None:
    service.deploy(PROFILE, FIRST)
    document = AppConfigDocument(sdk, PROFILE)
    document.latest()
    with pytest.raises(
        StoreError, match=r"^AppConfig does not accept such a request \(BadRequestException\)$"
    ):
        document.latest()
    assert document.latest() == FIRST
    clock.at_s += document.every_s
    service.forget_sessions()
    with pytest.raises(StoreError, match="BadRequestException"):
        document.latest()
    assert document.latest() == FIRST


def test_a_profile_that_is_not_deployed_is_a_store_error(sdk: Any) -> None:
    with pytest.raises(StoreError, match="nothing deployed of it"):
        AppConfigDocument(sdk, PROFILE).latest()
    with pytest.raises(ConfigurationError, match="APPLICATION/ENVIRONMENT/PROFILE"):
        AppConfigDocument(sdk, "dev/jobs")


class Source:
    """The same document in a file or in AppConfig, and how a test changes it."""

    def __init__(self, kind: str, service: AppConfigData, sdk: Any, clock: Clock, folder: Path) -> None:
        self._kind, self._service, self._clock = kind, service, clock
        self._file = folder / "tuning.json"
        self.document: Document = (
            AppConfigDocument(sdk, PROFILE) if kind == "appconfig" else FileDocument(self._file)
        )

    def put(self, content: bytes) -> None:
        self._clock.at_s += self.document.every_s
        self._service.deploy(PROFILE, content)
        self._file.write_bytes(content)

    def away(self) -> None:
        self._clock.at_s += self.document.every_s
        self._service.forget_sessions()
        self._file.unlink()


@pytest.fixture(params=["appconfig", "file"])
def source(
    request: pytest.FixtureRequest, service: AppConfigData, sdk: Any, clock: Clock, tmp_path: Path
) -> Source:
    return Source(request.param, service, sdk, clock, tmp_path)


async def test_versions_are_rolled_out_and_back_and_a_bad_one_is_left_out(source: Source) -> None:
    tuned = Tuned(lambda: source.document)
    heard: list[Tuning] = []
    tuned.heard(heard.append)
    source.put(FIRST)
    assert await tuned.once()
    assert tuned.judging(Judging(rate=0.1, unsure_rate=0.3)) == Judging(rate=0.5, unsure_rate=0.3)
    source.put(SECOND)
    assert await tuned.once()
    assert tuned.current == Tuning(judges=("mec/qwen",), running=2, max_waiting=7)
    for bad in (b"{", b'{"schema":"tierwise.jobs/1","sampling":{"rate":"orchard"}}', b"[]"):
        source.put(bad)
        assert not await tuned.once()
    assert (tuned.refused, tuned.current.running) == (3, 2)
    source.away()
    assert not await tuned.once()
    source.put(FIRST)
    assert await tuned.once()
    assert [one.rate for one in heard] == [None, 0.5, None, 0.5]


async def test_without_a_document_nothing_is_changed() -> None:
    tuned = Tuned()
    await tuned.run()
    assert not await tuned.once()
    assert (tuned.current, tuned.judging(Judging())) == (NOTHING, Judging())
