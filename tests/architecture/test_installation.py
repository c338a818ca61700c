"""Proves that the installer asks for packages where this machine's pip would, and nowhere else."""

from __future__ import annotations

import pytest

from requirements.install import ranked, uv_environment

LISTING = r""":env:.index-url='https://first.test/simple'
global.index-url='https://second.test/simple'
global.extra-index-url='\nfile:///a/simple\nfile:///b/simple'
install.find-links='/wheels /more-wheels'
user.unknown='ignored'
"""


def test_a_variable_wins_over_a_file_as_in_pip() -> None:
    assert ranked(LISTING)["index-url"] == "https://first.test/simple"


def test_several_indexes_and_folders_reach_uv_in_the_form_it_reads() -> None:
    environment = uv_environment(ranked(LISTING), {})
    assert environment["UV_DEFAULT_INDEX"] == "https://first.test/simple"
    assert environment["UV_INDEX"] == "file:///a/simple file:///b/simple"
    assert environment["UV_FIND_LINKS"] == "/wheels,/more-wheels"


def test_what_is_set_for_uv_itself_stays() -> None:
    own = {"UV_DEFAULT_INDEX": "https://own.test/simple"}
    assert uv_environment(ranked(LISTING), own)["UV_DEFAULT_INDEX"] == "https://own.test/simple"


@pytest.mark.parametrize("listing", ["", "\n", "global.cert\n"])
def test_a_machine_that_configures_nothing_adds_nothing(listing: str) -> None:
    assert uv_environment(ranked(listing), {"HOME": "/nowhere"}) == {
        "HOME": "/nowhere",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
    }
