"""Proves what a user installs: four packages with their data and types, one command, a lean base."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.architecture.code import PACKAGES, ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT, check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def member(wheel: zipfile.ZipFile, name: str) -> str:
    path = next(entry for entry in wheel.namelist() if entry.endswith(".dist-info/" + name))
    return wheel.read(path).decode()


def test_the_wheel_holds_the_four_packages_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)


def test_the_wheel_carries_every_data_file_and_the_type_markers(wheel: zipfile.ZipFile) -> None:
    held = set(wheel.namelist())
    data = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {f"{package}/py.typed" for package in PACKAGES} <= held
    assert data - held == set()


def test_the_wheel_installs_the_tierwise_command(wheel: zipfile.ZipFile) -> None:
    assert "tierwise = gateway.cli:main" in member(wheel, "entry_points.txt")


def test_the_wheel_carries_its_licence_and_notice(wheel: zipfile.ZipFile) -> None:
    assert "Apache License" in member(wheel, "licenses/LICENSE")
    assert "MiniLM" in member(wheel, "licenses/NOTICE")


def test_the_base_install_has_no_engine_and_no_cloud(wheel: zipfile.ZipFile) -> None:
    lines = [line for line in member(wheel, "METADATA").splitlines() if line.startswith("Requires-Dist:")]
    base = {Path(line.split()[1]).name.split(">")[0] for line in lines if "extra ==" not in line}
    assert base.isdisjoint(
        {"boto3", "onnxruntime", "psutil", "strands-agents", "tokenizers", "torch", "vllm"}
    )
    assert "numpy" in base
