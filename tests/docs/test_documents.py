"""Proves that the documents are true: marked blocks run, make targets exist, links lead somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.code import ROOT
from tests.docs.blocks import RUNNABLE, Block, Command, blocks, commands, first_missing
from tests.running import RunningGateway

DOCUMENTS = sorted(p for p in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")))
BLOCKS = [block for path in DOCUMENTS for block in blocks(path, str(path.relative_to(ROOT)))]
MARKED = [block for block in BLOCKS if block.marked]
DOCUMENTED_URL = "http://127.0.0.1:8080"
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
_TARGET = re.compile(r"(?:`|^\$ )make ([a-z][a-z-]*)", re.MULTILINE)


def in_shell(script: str, gateway: RunningGateway, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs a script as a reader would, with `.venv` active and the sandbox's address and key at hand."""
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env={**os.environ, "PATH": tools, "TIERWISE_URL": gateway.url, "TIERWISE_KEY": gateway.key},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


def steps(block: Block, gateway: RunningGateway, folder: Path) -> tuple[Command, ...]:
    """What to run, with the address that documents use replaced by the sandbox's."""
    text = block.text.replace(DOCUMENTED_URL, gateway.url)
    if block.language == "console":
        return commands(text)
    if block.language == "python":
        (folder / "block.py").write_text(text)
        text = "python -W error block.py"
    return (Command(text=text, shown=()),)


@pytest.mark.server
@pytest.mark.parametrize("block", MARKED, ids=str)
def test_a_marked_block_does_what_it_shows(
    block: Block, sandbox_gateway: RunningGateway, tmp_path: Path
) -> None:
    planned = steps(block, sandbox_gateway, tmp_path)
    assert planned, f"{block}: nothing to run"
    for step in planned:
        done = in_shell(step.text, sandbox_gateway, tmp_path)
        assert done.returncode == 0, f"{block}: {step.text}\n{done.stdout}\n{done.stderr}"
        missing = first_missing(step.shown, done.stdout)
        assert missing is None, f"{block}: {step.text} did not print {missing!r} but\n{done.stdout}"


def test_the_readme_shows_something_that_is_run_and_only_languages_that_can_be() -> None:
    assert any(block.document == "README.md" for block in MARKED)
    assert {block.language for block in MARKED} <= RUNNABLE


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_inside_the_repository_lead_to_a_file(document: Path) -> None:
    targets = [
        link
        for link in _LINK.findall(document.read_text())
        if "://" not in link and not link.startswith("mailto:")
    ]
    assert [link for link in targets if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_make_targets_that_a_document_names_exist(document: Path) -> None:
    known = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(_TARGET.findall(document.read_text())) <= known
