"""Runs the client's own tests for chat, completions, embeddings and models; `excluded.toml` names those that cannot pass."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections import Counter
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.running import running_gateway

pytestmark = [pytest.mark.server, pytest.mark.timeout(300), pytest.mark.xdist_group("openai_suite")]
SUITE = Path(sys.prefix) / "openai-suite"
FILES = (
    "tests/api_resources/chat",
    "tests/api_resources/test_completions.py",
    "tests/api_resources/test_embeddings.py",
    "tests/api_resources/test_models.py",
)
KEY = "My API Key"
"""What the suite's conftest gives its clients."""
SETTINGS = """
[[keys]]
id = "suite"
tenant = "suite"
secret = "env:OPENAI_SUITE_KEY"

[aliases]
"gpt-6-astra" = "auto"
"gpt-3.5-turbo-instruct" = "auto"
"text-embedding-3-small" = "auto"
"""
AT_ONCE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One test of the suite. `said` is the first line of why it didn't pass, empty when it did."""

    name: str
    said: str


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> list[Verdict]:
    """Every test of the suite, run once."""
    if not SUITE.is_dir():
        pytest.skip("the client's tests are not here; `make .venv/.openai-suite` gets them")
    folder = tmp_path_factory.mktemp("openai-suite")
    settings = folder / "tierwise.toml"
    settings.write_text(SETTINGS)
    report = folder / "report.xml"
    arguments = ("--sandbox", "--config", str(settings))
    with running_gateway(*arguments, folder=folder, environment={"OPENAI_SUITE_KEY": KEY}) as gateway:
        # Their asyncio settings, and no plugin of ours: what is run is their suite, not a part of this one.
        said = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-c", "/dev/null", "--rootdir", ".", "--tb=line",
             "-n", str(AT_ONCE), "-p", "no:cacheprovider", "-o", "asyncio_mode=auto",
             "-o", "asyncio_default_fixture_loop_scope=session", f"--junitxml={report}", *FILES],
            cwd=SUITE, env=_environment(f"{gateway.url}/v1"), capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert said.returncode in (0, 1), said.stdout[-4_000:] + said.stderr[-2_000:]
    return [_verdict(case) for case in ElementTree.parse(report).iter("testcase")]  # noqa: S314 - our own report


def _environment(base_url: str) -> dict[str, str]:
    """The caller's, without what would make the client speak to somebody else or pytest see our options."""
    own = ("OPENAI_", "TIERWISE_", "PYTEST_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    return {**kept, "TEST_API_BASE_URL": base_url, "PYTHONDONTWRITEBYTECODE": "1"}


def _verdict(case: ElementTree.Element) -> Verdict:
    """`tests.api_resources.chat.test_completions.TestCompletions` + name becomes `chat/test_completions::Test...::name`."""
    *modules, kind = case.attrib["classname"].removeprefix("tests.api_resources.").split(".")
    bad = next((child for child in case if child.tag in ("failure", "error", "skipped")), None)
    said = "" if bad is None else (bad.get("message") or bad.tag).splitlines()[0]
    return Verdict(name=f"{'/'.join(modules)}::{kind}::{case.attrib['name']}", said=said)


def excluded() -> dict[str, str]:
    """The reason by test id. An id without its bracket stands for all its variants."""
    document = tomllib.loads(Path(__file__).with_name("excluded.toml").read_text())
    return {name: group["reason"] for group in document["group"] for name in group["tests"]}


def _is_excluded(name: str) -> bool:
    return bool({name, name.partition("[")[0]} & excluded().keys())


def test_the_suite_is_that_of_the_installed_client(verdicts: list[Verdict]) -> None:
    """All four parts are there, over both transports; a suite that shrank to nothing would pass, too."""
    parts = Counter(verdict.name.partition("::")[0] for verdict in verdicts)
    assert set(parts) == {
        "chat/test_completions",
        "chat/completions/test_messages",
        "test_completions",
        "test_embeddings",
        "test_models",
    }
    assert len(verdicts) >= 260, f"openai {version('openai')} has fewer tests than 3.52.0"
    assert any("[aiohttp]" in verdict.name for verdict in verdicts)


def test_every_test_passes_that_is_not_excluded_with_a_reason(verdicts: list[Verdict]) -> None:
    failed = [f"{v.name}: {v.said}" for v in verdicts if v.said and not _is_excluded(v.name)]
    assert failed == []


def test_the_list_of_exclusions_only_shrinks(verdicts: list[Verdict]) -> None:
    """An excluded test that passes, or is no longer there, has to leave the list."""
    passed = {v.name for v in verdicts if not v.said}
    passed |= {name.partition("[")[0] for name in passed}
    known = {v.name for v in verdicts} | {v.name.partition("[")[0] for v in verdicts}
    assert excluded().keys() & passed == set()
    assert excluded().keys() - known == set()


def test_every_exclusion_says_why() -> None:
    assert all(len(reason.split()) >= 8 for reason in excluded().values())
