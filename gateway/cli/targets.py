"""`tierwise targets`: the targets of a running gateway and how they are; or, with `--sandbox`, what it would have."""

from __future__ import annotations

import argparse
import os
from typing import Any

from gateway.cli.output import print_json, print_table


def run(options: argparse.Namespace) -> int:
    """Print the targets. Raises `GatewayError` when no gateway answers."""
    targets = planned(options.config) if options.sandbox else _running(options.url)
    if options.json:
        print_json({"targets": targets})
        return 0
    columns = (
        "name",
        "tier",
        "model",
        "health",
        "residency",
        "saturation",
        "inflight",
        "region",
        "price_in",
        "price_out",
        "emulated",
    )
    print_table(columns, [[_shown(target, column) for column in columns] for target in targets])
    return 0


def _running(url: str | None) -> list[dict[str, Any]]:
    from gateway.cli.client import client_from

    answer = client_from(url, os.environ).call("GET", "/admin/targets")
    found: list[dict[str, Any]] = (
        answer["targets"] if isinstance(answer, dict) and "targets" in answer else answer
    )
    return found


def planned(config: str | None) -> list[dict[str, Any]]:
    """Configured targets and those the sandbox would add, from settings and data alone."""
    from dataclasses import asdict

    from gateway.composition.plan import plan
    from gateway.composition.sandbox import NOT_STARTED
    from gateway.settings.loading import load

    made = plan(load(config, os.environ), os.environ, sandbox=True, access=NOT_STARTED)
    return [asdict(target.spec) for target in sorted(made.targets, key=lambda target: target.spec.name)]


def _shown(target: dict[str, Any], column: str) -> object:
    """A field of the target, or of its `spec` or `state` where those are nested."""
    for place in (target, target.get("spec") or {}, target.get("state") or {}):
        if column in place:
            return place[column]
    return ""
