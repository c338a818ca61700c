"""Installs a hashed lock into a virtual environment beside `.venv`, for a tool that cannot share its packages.

Usage: .venv/bin/python -m requirements.install_beside requirements/ministack.txt .venv-ministack
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from requirements.install import UV, pip_settings, uv_environment


def install(lock: str, environment: Path) -> None:
    """Make `environment` where it is missing and fill it. Raises CalledProcessError when a package can't be had."""
    if not (environment / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)  # noqa: S603  # our own interpreter
    python = str(environment / "bin" / "python")
    command = [
        *UV,
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--require-hashes",
        "-r",
        lock,
        "--python",
        python,
    ]
    subprocess.run(command, env=uv_environment(pip_settings(), os.environ), check=True)  # noqa: S603  # the pinned uv beside us


if __name__ == "__main__":
    try:
        install(sys.argv[1], Path(sys.argv[2]))
    except subprocess.CalledProcessError as failed:
        sys.exit(failed.returncode)
