"""Installs a hashed lock and this checkout into `.venv`, the way this machine's pip would.

pip knows where packages come from here (index, extra indexes, wheel folders, certificates), from its files and its
variables. uv reads none of that, so a machine behind a mirror would fail only in uv. This hands pip's answers over, and
falls back to pip itself where uv cannot use them. No host is named in this repository.

Usage: .venv/bin/python requirements/install.py requirements/run.txt
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

PIP = [sys.executable, "-m", "pip"]
UV = [str(Path(sys.executable).with_name("uv"))]
# pip's option -> uv's variable. A value of several words is several indexes or hosts in both.
HANDED_OVER = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "no-index": "UV_NO_INDEX",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
}


def pip_settings() -> dict[str, str]:
    """What pip is told on this machine, by option name."""
    listed = subprocess.run([*PIP, "config", "list"], check=True, capture_output=True, text=True)  # noqa: S603  # our own interpreter
    return ranked(listed.stdout)


def ranked(listing: str) -> dict[str, str]:
    """The options of `pip config list`; a variable (`:env:`) wins over a file, `install.` over `global.`."""
    rank = {"global": 0, "install": 1, ":env:": 2}
    found: dict[str, tuple[int, str]] = {}
    for line in listing.splitlines():
        key, given, quoted = line.partition("=")
        section, _, option = key.rpartition(".")
        if given and rank.get(section, -1) >= found.get(option, (0, ""))[0]:
            found[option] = (rank[section], str(ast.literal_eval(quoted)))
    return {option: value for option, (_, value) in found.items()}


def uv_environment(settings: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """The environment `own` with pip's settings added in uv's words; what `own` already sets for uv stays."""
    handed = {HANDED_OVER[name]: " ".join(settings[name].split()) for name in HANDED_OVER if name in settings}
    if "UV_FIND_LINKS" in handed:
        handed["UV_FIND_LINKS"] = handed["UV_FIND_LINKS"].replace(" ", ",")
    # pip looks at all indexes and takes the best version; uv would stop at the first index that knows the name.
    return {**handed, "UV_INDEX_STRATEGY": "unsafe-best-match", **own}


def install(lock: str) -> None:
    """Installs `lock`, then this checkout, editable. Raises CalledProcessError when neither uv nor pip can."""
    locked = ["install", "--quiet", "--no-deps", "--require-hashes", "-r", lock]
    checkout = ["install", "--quiet", "--no-deps", "--no-build-isolation", "-e", "."]
    environment = uv_environment(pip_settings(), os.environ)
    for arguments in (locked, checkout):
        with_uv = [*UV, "pip", *arguments, "--python", sys.executable]
        if subprocess.run(with_uv, env=environment, check=False).returncode != 0:  # noqa: S603  # the pinned uv beside us
            print("uv could not; trying pip", file=sys.stderr)  # noqa: T201  # progress of an installer
            subprocess.run([*PIP, *arguments], check=True)  # noqa: S603  # our own interpreter


if __name__ == "__main__":
    try:
        install(sys.argv[1])
    except subprocess.CalledProcessError as failed:
        sys.exit(failed.returncode)
