"""The labelled set and what is said of it: large enough, the same every time, and as good as the page says."""

from __future__ import annotations

from pathlib import Path

from benchmarks.figures import Effort
from benchmarks.safety.section import EACH, items, measure

PAGE = Path(__file__).parents[3] / "docs" / "safety.md"


def test_the_set_is_large_labelled_and_the_same_every_time() -> None:
    found = list(items())
    assert len(found) >= 2_000
    assert {label for label, _, _ in found} == {"attack", "innocent", "personal", "not_read"}
    assert found == list(items())
    assert f"{len(found):,} texts" in PAGE.read_text()


def test_the_page_says_what_is_measured() -> None:
    assert EACH == 60
    figures = measure(Effort()).figures
    page = PAGE.read_text()
    assert figures["injections_caught"] >= 95.0 and figures["personal_found"] >= 95.0
    assert figures["innocent_refused"] <= 5.0
    assert f"{figures['injections_unseen']:.0f}% |" in page
    assert f"| {figures['innocent_refused']:.1f}% / {figures['innocent_unseen_refused']:.1f}% |" in page
    assert f"| {figures['personal_found']:.0f}% |" in page
