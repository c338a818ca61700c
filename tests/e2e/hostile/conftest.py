"""One attacked gateway for the whole suite, so that damage done by one test shows in the next."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.hostile.site import Site, open_site


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Parallel runs keep the suite in one worker."""
    for item in items:
        if "site" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("hostile"))
            item.add_marker(pytest.mark.server)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with open_site(tmp_path_factory.mktemp("hostile")) as opened:
        yield opened
