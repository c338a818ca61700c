"""`tierwise aws`: what a deployment costs, and whether one in a real account stands."""

from __future__ import annotations

import argparse
from importlib import import_module


def run(options: argparse.Namespace) -> int:
    """Hand over to the action, imported only now: one needs no SDK."""
    status: int = import_module(f"gateway.cli.aws_{options.action}").run(options)
    return status
