"""What every suite shares: sizes of heavy suites, the seeds of generated tests, and one running sandbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from router_core import record
from tests.running import RunningGateway, running_gateway

# Before any module that makes records: in the tests they are frozen at run time, too.
record.FROZEN = True

# Generated examples are derived from the test itself, so every run tries the same ones. A slow machine is not a
# failure: no test asserts a time.
_STEADY = {
    "derandomize": True,
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow],
    "database": None,
}
settings.register_profile("reduced", settings(max_examples=60), **_STEADY)
settings.register_profile("full", settings(max_examples=2_000), **_STEADY)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--proof", action="store_true", help="run heavy suites at full size")


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("full" if config.getoption("--proof") else "reduced")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever asks for its size has a full one, which `make proof` runs."""
    for item in items:
        if "at_size" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.proof)


class Grouped(LoadScopeScheduling):  # type: ignore[misc]  # xdist publishes no types
    """Tests of one end-to-end folder run in one worker, because they share a gateway, and those of the
    templates or of a deployment, because they share the synthesis; all others wherever there is room."""

    def _split_scope(self, nodeid: str) -> str:
        parts = nodeid.split("::", 1)[0].split("/")
        if parts[:2] in (["tests", "aws"], ["tests", "infra"]):
            return "/".join(parts[:2])
        return "/".join(parts[:3]) if parts[:2] == ["tests", "e2e"] else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Grouped:
    return Grouped(config, log)


@pytest.fixture(scope="session")
def at_size(pytestconfig: pytest.Config) -> Callable[[int, int], int]:
    """`at_size(1_000, 10_000)` is the size of a heavy suite: the first, and under `--proof` the second."""
    full = bool(pytestconfig.getoption("--proof"))
    return lambda reduced, whole: whole if full else reduced


@pytest.fixture(scope="session")
def sandbox_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """One `tierwise serve --sandbox` for the whole session, on a free port, stopped by SIGTERM.

    Suites that send faults, drain targets or change settings start their own with `running_gateway`.
    """
    with running_gateway("--sandbox", folder=tmp_path_factory.mktemp("sandbox")) as gateway:
        yield gateway
