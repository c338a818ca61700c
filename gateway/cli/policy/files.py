"""`tierwise policy`: shows the policy in force, checks a file, says what would change; environments have their own part."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from gateway.cli.output import print_json, print_table
from gateway.settings.loading import load
from router_core.adapters.policy_file import read_policy
from router_core.errors import ConfigurationError
from router_core.policy.diff import diff
from router_core.policy.document import Policy
from router_core.policy.parse import minified, to_document


def run(options: argparse.Namespace) -> int:
    """The action's status. Raises `ConfigurationError` for a policy or settings that cannot be."""
    # What past requests say changes nothing, wherever they are read from.
    if getattr(options, "env", None) is not None and options.action != "simulate":
        from gateway.cli.policy.environment import run_in_environment

        return run_in_environment(options)
    return _ACTIONS[options.action](options)


def print_diff(before: Policy, after: Policy, *, as_json: bool) -> None:
    """What changes from one to the other."""
    changes = diff(before, after)
    if as_json:
        print_json(
            {
                "before": before.label,
                "after": after.label,
                "changes": [{"key": one.key, "before": one.before, "after": one.after} for one in changes],
            }
        )
    elif not changes:
        print("no difference")
    else:
        print_table(
            ("key", f"before: {before.label}", f"after: {after.label}"),
            [(one.key, one.before, one.after) for one in changes],
        )


def _in_force(config: str | None) -> Policy:
    from gateway.composition.policy import rollout_now

    return rollout_now(load(config, os.environ).policy).stable


def _show(options: argparse.Namespace) -> int:
    if options.schema:
        from router_core.policy.schema import json_schema

        print_json(json_schema())
    else:
        # The document is JSON already, so that its output is always a valid policy file.
        print_json(to_document(_in_force(options.config)))
    return 0


def _validate(options: argparse.Namespace) -> int:
    policy = read_policy(Path(options.file))
    size = len(minified(to_document(policy)))
    if options.json:
        print_json({"valid": True, "policy": policy.label, "sha256": policy.sha256, "bytes": size})
    else:
        print(
            f"{options.file}: valid, {policy.label}, {size} bytes complete and minified, sha256 {policy.sha256}"
        )
    return 0


def _diff(options: argparse.Namespace) -> int:
    if options.before is None:
        raise ConfigurationError("name a policy file (or `default`) to compare, or an environment with --env")
    before = read_policy(None if options.before == "default" else Path(options.before))
    after = read_policy(Path(options.after)) if options.after else _in_force(options.config)
    print_diff(before, after, as_json=options.json)
    return 0


def _simulate(options: argparse.Namespace) -> int:
    from gateway.cli.policy.simulate import run as simulate

    return simulate(options)


def _proposals(options: argparse.Namespace) -> int:
    from gateway.cli.policy.proposals import run as decide

    return decide(options)


_ACTIONS: Final[Mapping[str, Callable[[argparse.Namespace], int]]] = {
    "show": _show,
    "validate": _validate,
    "diff": _diff,
    "simulate": _simulate,
    "proposals": _proposals,
}
