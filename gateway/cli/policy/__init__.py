"""`tierwise policy`: shows, checks, compares and judges policies, and rolls them out to environments.

Every command's `--help` passes here for the arguments, so nothing is imported before an action is chosen.
"""

from __future__ import annotations

import argparse


def run(options: argparse.Namespace) -> int:
    """The action's status. Raises `TierwiseError` for a policy, settings or records that cannot be."""
    from gateway.cli.policy.files import run as act

    return act(options)
