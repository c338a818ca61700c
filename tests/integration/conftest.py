"""What the suite shares: one model folder, two real vLLM nodes for the whole session, and a gateway over both per test.

A node is dear (half a minute and 2 GB), so it is started once and only started again after a test has killed it. A gateway
is cheap, so each test has its own and finds no breaker, drain or cache of another.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration import counting
from tests.integration.site import TARGETS, Site, write_settings
from tests.integration.vllm_node import NodePlan, VllmNode, running_nodes
from tests.running import running_gateway

_BUILD_S = 300
_ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def vllm_python() -> str:
    """The interpreter of the environment that holds vLLM."""
    python = os.environ.get("TIERWISE_VLLM_PYTHON")
    if not python:
        pytest.skip("TIERWISE_VLLM_PYTHON names no environment with vLLM: run `make integration`")
    return python


@pytest.fixture(scope="session")
def model_folder(vllm_python: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The counting model, built once."""
    folder = tmp_path_factory.mktemp("model")
    command = [vllm_python, "-m", "tests.integration.tiny_model", str(folder)]
    built = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=_BUILD_S, check=False)
    assert built.returncode == 0, built.stderr[-4_000:]
    return folder


@pytest.fixture(scope="session")
def started_nodes(
    vllm_python: str, model_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[VllmNode, ...]]:
    """Two nodes side by side, stopped at the end of the session."""
    plans = [
        NodePlan(
            python=vllm_python,
            model=model_folder,
            folder=tmp_path_factory.mktemp(name.rpartition("/")[2]),
            served_name=counting.SERVED_NAME,
            context_tokens=counting.CONTEXT_TOKENS,
            api_key=counting.API_KEY,
        )
        for name in TARGETS
    ]
    with running_nodes(*plans) as nodes:
        yield nodes


@pytest.fixture
def nodes(started_nodes: tuple[VllmNode, ...]) -> tuple[VllmNode, ...]:
    """Both nodes, running and with nothing left to do, whatever the test before did to them."""
    for node in started_nodes:
        node.start()
    for node in started_nodes:
        node.wait_ready()
        node.wait_idle()
    return started_nodes


@pytest.fixture
def site(nodes: tuple[VllmNode, ...], tmp_path: Path) -> Iterator[Site]:
    """A gateway with both nodes as its only targets."""
    named = dict(zip(TARGETS, nodes, strict=True))
    write_settings(tmp_path, named)
    with running_gateway(folder=tmp_path, environment={"EDGE_KEY": counting.API_KEY}) as gateway:
        site = Site(gateway=gateway, nodes=named)
        site.wait_until("both targets are up", lambda: all(site.health(name) == "up" for name in named))
        yield site
