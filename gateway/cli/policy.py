"""`tierwise policy`: shows the policy in force, checks a file, and says what would change."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from gateway.cli.output import print_json, print_table
from gateway.settings.loading import load
from router_core.adapters.policy_file import read_policy
from router_core.errors import ConfigurationError
from router_core.policy.diff import diff
from router_core.policy.document import Policy
from router_core.policy.parse import minified, to_document


def run(options: argparse.Namespace) -> int:
    """The action's status. Raises `ConfigurationError` for a policy or settings that cannot be."""
    actions = {"show": _show, "validate": _validate, "diff": _diff}
    return actions[options.action](options)


def _in_force(config: str | None) -> Policy:
    settings = load(config, os.environ)
    if settings.policy.ssm is not None:
        raise ConfigurationError("settings: policy.ssm is not supported yet; use policy.file")
    return read_policy(settings.policy.file)


def _show(options: argparse.Namespace) -> int:
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
    before = read_policy(None if options.before == "default" else Path(options.before))
    after = read_policy(Path(options.after)) if options.after else _in_force(options.config)
    changes = diff(before, after)
    if options.json:
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
    return 0
