"""`tierwise bench`: runs the benchmarks of a checkout; an installed package does not carry them."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from router_core.errors import ConfigurationError

CHECKOUT = Path(__file__).resolve().parents[2]


def run(options: argparse.Namespace) -> int:
    """The benchmarks' exit status, as 0 or 1. Raises `ConfigurationError` outside a checkout."""
    if not (CHECKOUT / "benchmarks" / "__main__.py").is_file():
        raise ConfigurationError(
            "the benchmarks are not part of the installed package; run `make bench` or `tierwise bench` in a checkout"
        )
    rest = [*options.rest, *(["--json"] if options.json else [])]
    ended = subprocess.run([sys.executable, "-m", "benchmarks", *rest], cwd=CHECKOUT, check=False)  # noqa: S603  # our own module
    return 0 if ended.returncode == 0 else 1
