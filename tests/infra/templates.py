"""The synthesised templates as the tests read them, and how they are made: in processes that cannot reach a network.

The judgement is over the JSON that CloudFormation would be given, so a test states intent ("no table without a
restore") rather than how a construct was called.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from aws_cdk.assertions import Template

from router_core.deployment import ENVIRONMENTS, resource_name

ROOT = Path(__file__).resolve().parents[2]
Resource = dict[str, Any]

PYTHON_BLOCK = """
import socket
def refuse(self, *to):
    raise OSError("no network here")
socket.socket.connect = socket.socket.connect_ex = refuse
"""
NODE_BLOCK = """
const net = require("net");
net.Socket.prototype.connect = function () { throw new Error("no network here"); };
require("dns").lookup = function () { throw new Error("no network here"); };
"""


def offline(folder: Path, **variables: str) -> dict[str, str]:
    """Variables under which neither Python nor Node can connect to anything, and nobody has credentials."""
    (folder / "sitecustomize.py").write_text(PYTHON_BLOCK)
    (folder / "block.cjs").write_text(NODE_BLOCK)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CDK_"))}
    return kept | {
        "PYTHONPATH": str(folder),
        "NODE_OPTIONS": f"--require {folder / 'block.cjs'}",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        **variables,
    }


def synthesise(out: Path, environment: dict[str, str], *names: str) -> None:
    """`python -m infra`, as `make synth` runs it."""
    command = [sys.executable, "-O", "-m", "infra", "--out", str(out), *names]
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, f"{run.stdout}\n{run.stderr[-6_000:]}"


class Stack:
    """One stack's template."""

    def __init__(self, path: Path) -> None:
        self.text = path.read_text()
        self.resources: dict[str, Resource] = json.loads(self.text)["Resources"]

    @cached_property
    def check(self) -> Template:
        """For `has_resource_properties` and its like."""
        return Template.from_string(self.text)

    def of(self, kind: str) -> dict[str, Resource]:
        """Properties of every resource of a kind, `DynamoDB::GlobalTable`, by logical id."""
        return {
            name: resource.get("Properties", {})
            for name, resource in self.resources.items()
            if resource["Type"] == f"AWS::{kind}"
        }

    def one(self, kind: str) -> Resource:
        (found,) = self.of(kind).values()
        return found

    def statements(self) -> Iterator[tuple[str, Resource]]:
        """Every statement of every policy of an identity, with the logical id of the resource that holds it."""
        for name, policy in self.of("IAM::Policy").items():
            for statement in policy["PolicyDocument"]["Statement"]:
                yield name, statement
        for name, role in self.of("IAM::Role").items():
            for policy in role.get("Policies", ()):
                for statement in policy["PolicyDocument"]["Statement"]:
                    yield name, statement


class Synthesis:
    """Everything that one run of `python -m infra` left behind: `synthesis.stack("prod", "data")`."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.stack = cache(self._stack)

    def _stack(self, environment: str, what: str) -> Stack:
        return Stack(self.out / environment / f"{resource_name(environment, what)}.template.json")

    def stacks(self, environment: str) -> dict[str, Stack]:
        prefix, suffix = resource_name(environment, ""), ".template.json"
        names = sorted(path.name for path in (self.out / environment).glob(f"*{suffix}"))
        return {
            what: self.stack(environment, what)
            for what in (name.removeprefix(prefix).removesuffix(suffix) for name in names)
        }

    def everything(self) -> Iterator[tuple[str, Stack]]:
        """`prod/data` and its stack, for all environments."""
        for environment in ENVIRONMENTS:
            for what, stack in self.stacks(environment).items():
                yield f"{environment}/{what}", stack


def listed(value: str | list[Any]) -> list[Any]:
    """CloudFormation writes one of something without the list around it."""
    return value if isinstance(value, list) else [value]
