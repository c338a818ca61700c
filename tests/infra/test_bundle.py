"""The functions' asset: the product and nothing else, the same bytes every time."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from infra.bundle import BOUNDS, LEFT_OUT, MODES, PACKAGES, ROOT, THINKING, WHEELS, bundle, product_files


@pytest.fixture(scope="module")
def asset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundle("sources", tmp_path_factory.mktemp("asset")).path


def test_it_is_the_same_every_time(asset: Path, tmp_path: Path) -> None:
    again = bundle("sources", tmp_path)
    assert again.path.name == asset.name
    assert again.path.read_bytes() == asset.read_bytes()
    assert asset.name.split("-")[1].removesuffix(".zip") in again.sha256


def test_it_holds_the_product_that_runs_and_nothing_else(asset: Path) -> None:
    with zipfile.ZipFile(asset) as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names} == set(PACKAGES)
    assert {"router_core/stages.py", "agents/pipeline.py", "edge_runtime/models/intent-v1/model.onnx"} <= set(
        names
    )
    assert not any(name.startswith(f"{folder}/") for name in names for folder in LEFT_OUT)
    assert not any("__pycache__" in name or name.endswith(".pyc") for name in names)


def test_an_unchanged_asset_is_not_made_again(asset: Path) -> None:
    before = asset.stat().st_mtime_ns
    assert bundle("sources", asset.parent).path.stat().st_mtime_ns == before


def test_files_are_readable_and_carry_no_time(asset: Path) -> None:
    with zipfile.ZipFile(asset) as archive:
        for entry in archive.infolist():
            assert entry.date_time == (1980, 1, 1, 0, 0, 0)
            assert entry.external_attr >> 16 == 0o100644


def test_the_lists_of_what_it_imports_are_there() -> None:
    for name in (*WHEELS, THINKING, *BOUNDS):
        assert (ROOT / "requirements" / name).is_file()
    assert dict(product_files())


def test_what_asks_models_is_in_an_asset_of_its_own(asset: Path, tmp_path: Path) -> None:
    thinking = bundle("sources", tmp_path, thinking=True)
    assert thinking.path.name == asset.name, "of the sources alone there is nothing to leave out"
    listed = [(ROOT / "requirements" / name).read_text().split() for name in (*WHEELS, THINKING)]
    assert ["strands-agents" in packages for packages in listed] == [False, True]


def test_another_kind_of_asset_is_refused(tmp_path: Path) -> None:
    assert MODES == ("full", "sources")
    with pytest.raises(ValueError, match="choose one of"):
        bundle("wheels", tmp_path)
