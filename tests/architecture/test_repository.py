"""Keeps places, secrets and download addresses out of the text, and the versions and locks consistent."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

from tests.architecture.code import ROOT, files

LOCKS = ("uv", "run", "dev", "train", "openai_suite", "ministack")
# Built from parts, because this file is text of the repository, too.
_PLACES = re.compile(
    "|".join(
        rf"(?<![\w./-])/{place}/" for place in ("wo" + "rk", "ro" + "ot", r"home/\w+", "Us" + r"ers/\w+")
    )
)
_TICKETS = re.compile(r"\b" + "iss" + r"ue #?\d+\b", re.IGNORECASE)
_DOWNLOADS = re.compile(r"https?:" + r"//\S+\.(?:whl|tar\.gz|tgz|zip|onnx|safetensors|gguf)\b")
_ACCESS_KEY = re.compile("AK" + r"IA(?![0-9A-Z]*EXAMPLE)[0-9A-Z]{16}\b")


def texts() -> dict[Path, str]:
    """Every file that is text."""
    found = {}
    for path in files():
        try:
            found[path] = (ROOT / path).read_text()
        except UnicodeDecodeError:
            continue
    return found


def hits(pattern: re.Pattern[str]) -> list[str]:
    return [f"{path}: {hit[0]}" for path, text in texts().items() if (hit := pattern.search(text))]


def test_no_file_names_a_place_on_a_developers_machine() -> None:
    assert hits(_PLACES) == []


def test_no_file_refers_to_a_ticket_instead_of_giving_the_reason() -> None:
    assert hits(_TICKETS) == []


def test_no_file_holds_a_download_address_or_a_live_access_key() -> None:
    assert hits(_DOWNLOADS) == []
    assert hits(_ACCESS_KEY) == []


def lock(name: str) -> dict[str, str]:
    """Requirement line by the hashes that follow it."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    entries = re.findall(
        r"^([a-z0-9][^\n]*?) \\\n((?: {4}--hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", text, re.MULTILINE
    )
    assert entries
    return dict(entries)


def test_locks_record_hashes_and_no_addresses() -> None:
    for name in LOCKS:
        text = (ROOT / "requirements" / f"{name}.txt").read_text()
        pinned = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
        assert len(lock(name)) == len(pinned), f"{name}: a requirement without hashes"
        assert "://" not in text
        assert "index-url" not in text


def test_running_and_testing_use_the_same_versions() -> None:
    run, dev = lock("run"), lock("dev")
    assert run.keys() <= dev.keys()
    assert all(dev[requirement] == hashes for requirement, hashes in run.items())


def test_the_lock_holds_every_requirement_of_the_project() -> None:
    """A dependency that was added without `make lock` would be missing on the next machine only."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = project["optional-dependencies"]
    wanted = [*project["dependencies"], *optional["edge"], *optional["aws"], *optional["test"]]
    names = {re.split(r"[<>=!~;\[ ]", requirement)[0] for requirement in wanted}
    locked = {re.split(r"[<>=!~;\[ ]", requirement)[0] for requirement in lock("dev")}
    assert names <= locked, f"run `make lock`: {sorted(names - locked)}"


def test_the_version_is_the_same_wherever_it_is_written() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert version("tierwise") == declared
    released = re.findall(r"^## \[(\d[^\]]*)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert released[:1] in ([], [declared])
