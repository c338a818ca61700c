"""Unpacks the tests that OpenAI's own client is developed with, for `tests/e2e/openai_suite`.

They are another project's files, so they are never part of this repository: the source distribution comes from the same
place, in the same version and by the same hash as the client in the lock, and lies in `.venv`.

Usage: .venv/bin/python -m requirements.openai_suite .venv/openai-suite
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from requirements.install import PIP

LOCK = Path(__file__).with_name("dev.txt")
_ENTRY = re.compile(r"^openai==(\S+) \\\n(?: +--hash=\S+(?: \\)?\n)+", re.MULTILINE)


def locked(lock: str) -> str:
    """The lock's lines about the client. Raises ValueError when it isn't in there."""
    if (found := _ENTRY.search(lock)) is None:
        raise ValueError("the lock holds no openai")
    return found[0]


def download(entry: str, folder: Path) -> Path:
    """The source distribution, checked against the entry's hashes. Raises CalledProcessError when it can't be had."""
    wanted = folder / "wanted.txt"
    wanted.write_text(entry)
    fetch = [*PIP, "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-binary", ":all:"]
    # Its build backend is in the lock, so nothing but the distribution itself is fetched.
    subprocess.run(  # noqa: S603  # our own interpreter
        [*fetch, "--no-build-isolation", "--require-hashes", "-d", str(folder), "-r", str(wanted)], check=True
    )
    return next(folder.glob("openai-*.tar.gz"))


def unpack(archive: Path, into: Path) -> None:
    """Only its tests; an older version's are removed."""
    shutil.rmtree(into, ignore_errors=True)
    with tarfile.open(archive) as source:
        tests = [member for member in source.getmembers() if member.name.split("/")[1:2] == ["tests"]]
        for member in tests:
            member.name = member.name.partition("/")[2]
        source.extractall(into, tests, filter="data")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        unpack(download(locked(LOCK.read_text()), Path(temporary)), Path(sys.argv[1]))
