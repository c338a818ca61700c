"""What a restricted request leaves behind: nothing in the cache, the records, the output, the metrics, the admin's view."""

from __future__ import annotations

import pytest

from tests.e2e.privacy.conftest import Played
from tests.e2e.privacy.corpus import CONTROL_CANARY, RESTRICTED_CANARY
from tests.e2e.privacy.house import House
from tests.e2e.privacy.repeated import FORMS, TEXTS

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("privacy")]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("text", TEXTS)
def test_a_second_identical_request_is_a_hit_only_where_the_content_may_be_kept(
    played: Played, text: str, form: str
) -> None:
    (pair,) = (one for one in played.repeated if (one.text, one.form) == (text, form))
    assert (pair.first.status, pair.second.status) == (200, 200)
    expected = ("miss", "hit") if text == "ordinary" else ("bypass", "bypass")
    assert (pair.first.cache, pair.second.cache) == expected


@pytest.mark.parametrize("canary", [RESTRICTED_CANARY, CONTROL_CANARY])
def test_no_record_and_no_line_of_output_holds_what_was_asked(
    house: House, played: Played, canary: str
) -> None:
    """Also not where a failing node repeats it in its error."""
    assert played.records
    files = [file for file in house.folder.rglob("*") if file.is_file()]
    assert any(file.suffix == ".log" for file in files)
    assert [file.name for file in files if canary.encode() in file.read_bytes()] == []


@pytest.mark.parametrize(
    "path", ["/metrics", "/admin/targets", "/admin/policy", "/admin/decisions?limit=500"]
)
@pytest.mark.parametrize("canary", [RESTRICTED_CANARY, CONTROL_CANARY])
def test_no_page_for_operators_holds_what_was_asked(
    house: House, played: Played, path: str, canary: str
) -> None:
    page = house.get(path)
    assert page.status_code == 200
    assert played.answered
    assert canary not in page.text
