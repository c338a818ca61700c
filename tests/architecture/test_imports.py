"""States who may import what where the rule is "this and nothing else"; the layers are contracts in pyproject.toml."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.code import PACKAGES, imports, python_files

TRAINING = "router_core/learning/training"
AGENTS = ("cache", "context", "judge", "monitor", "resource", "router", "safety")
# One technology under several names: an adapter may use all of them.
ONE_SDK = ({"boto3", "botocore", "s3transfer"}, {"prometheus_client"}, {"orjson"}, {"alembic", "sqlalchemy"})
HEAVY = {
    "agents", "boto3", "botocore", "fastapi", "numpy", "onnxruntime", "opentelemetry", "pydantic",
    "starlette", "strands", "tokenizers", "torch", "uvicorn",
}  # fmt: skip
"""What costs a command tens of milliseconds before it has read its arguments."""


def within(path: Path, folder: str) -> bool:
    return path.is_relative_to(folder)


def product() -> list[Path]:
    return [path for path in python_files() if path.parts[0] in PACKAGES]


def third_party(path: Path) -> set[str]:
    return {name.split(".")[0] for _, name in imports(path)} - sys.stdlib_module_names - set(PACKAGES)


def core_modules() -> list[Path]:
    """What decides: the core without its adapters, and without the workshop that makes the scorer's weights."""
    beside = ("router_core/adapters", TRAINING)
    core = [path for path in product() if within(path, "router_core")]
    return [path for path in core if not any(within(path, folder) for folder in beside)]


def test_the_core_imports_the_standard_library_and_numpy_only() -> None:
    core = core_modules()
    assert core
    assert {str(path): names for path in core if (names := third_party(path) - {"numpy"})} == {}


def test_the_core_touches_no_clock_no_chance_and_no_input_or_output() -> None:
    """Time, randomness and files come in as arguments, which is what makes a decision replay to the bit."""
    forbidden = {"asyncio", "datetime.datetime.now", "http", "logging", "random", "secrets", "socket", "sqlite3", "ssl",
                 "subprocess", "tempfile", "threading", "time", "urllib.request"}  # fmt: skip
    found = {
        f"{path}:{line}": name
        for path in core_modules()
        for line, name in imports(path)
        if any(name == module or name.startswith(module + ".") for module in forbidden)
    }
    assert found == {}


def test_the_scorers_workshop_is_opened_by_its_commands_alone() -> None:
    """It reads tables and draws numbers, so nothing that serves a request may load it."""
    module = TRAINING.replace("/", ".")
    users = {
        str(path)
        for path in product()
        if not within(path, TRAINING) and any(name.startswith(module) for _, name in imports(path))
    }
    assert users
    assert all(user.startswith("gateway/cli/scoring/") for user in users), users


def test_agents_import_the_core_and_numpy_only_and_deliberation_strands_besides() -> None:
    agents = [path for path in product() if within(path, "agents")]
    assert agents
    for path in agents:
        allowed = {"numpy"} | ({"pydantic", "strands"} if within(path, "agents/deliberation") else set())
        assert third_party(path) <= allowed, path


def test_strands_is_used_in_deliberation_alone() -> None:
    users = [str(path) for path in product() if "strands" in third_party(path)]
    assert all(user.startswith("agents/deliberation/") for user in users), users


def test_an_agent_does_not_import_another() -> None:
    for path in product():
        own = next(
            (
                agent
                for agent in AGENTS
                if path.with_suffix("") == Path("agents", agent) or within(path, f"agents/{agent}")
            ),
            None,
        )
        others = [
            name
            for _, name in imports(path)
            if own and name.split(".")[0] == "agents" and name.split(".")[1:2] != [own]
        ]
        assert not [name for name in others if name.split(".")[1] in AGENTS], path


def test_an_adapter_speaks_one_sdk() -> None:
    adapters = [path for path in product() if within(path, "router_core/adapters")]
    for path in adapters:
        used = third_party(path) - {"numpy", "orjson"}  # not technologies to reach: an array and a codec
        assert len(used) <= 1 or any(used <= sdk for sdk in ONE_SDK), (path, used)


def test_a_stand_in_is_imported_by_the_command_line_and_by_nothing_else_in_the_product() -> None:
    users = {
        str(path)
        for path in product()
        for _, name in imports(path)
        if name.startswith("gateway.sandbox") and not within(path, "gateway/sandbox")
    }
    assert all(user.startswith("gateway/cli") for user in users), users


def test_hosts_for_one_event_at_a_time_do_not_pull_in_the_web_framework() -> None:
    hosts = [path for path in product() if within(path, "gateway/hosts")]
    assert [str(path) for path in hosts if third_party(path) & {"fastapi", "starlette", "uvicorn"}] == []


def imported_by(*arguments: str) -> set[str]:
    """Top-level modules that a fresh interpreter has imported when it ends."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    lines = [
        line.rsplit("|", 1)[1].strip() for line in done.stderr.splitlines() if line.startswith("import time:")
    ]
    return {line.split(".")[0] for line in lines}


def test_help_is_answered_before_anything_heavy_is_imported() -> None:
    assert imported_by("-m", "gateway", "--help") & HEAVY == set()


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("edge_runtime", {"boto3", "botocore", "fastapi", "gateway", "onnxruntime", "torch"}),
        ("router_core", {"asyncio", "boto3", "fastapi", "pydantic"}),
        ("gateway", {"boto3", "fastapi", "numpy", "onnxruntime"}),
    ],
)
def test_importing_a_package_costs_nothing_it_may_not_need(module: str, absent: set[str]) -> None:
    assert imported_by("-c", f"import {module}") & absent == set()
