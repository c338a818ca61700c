"""`tierwise explain --deliberate`, and that nothing of the SDKs is loaded where nobody thinks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]

OFF = """
import asyncio, os, sys
from gateway.composition.root import compose
from gateway.composition.plan import plan
from gateway.settings.loading import load
from gateway.composition.sandbox import Access
from gateway.settings.secrets import Secret
access = Access(mec_url="http://127.0.0.1:9", bedrock_url="http://127.0.0.1:9", access_key_id="a",
                secret_access_key=Secret("b", "sandbox"))
async def run():
    gateway = await compose(plan(load(None, os.environ), os.environ, sandbox=True, access=access))
    await gateway.close()
asyncio.run(run())
print([name for name in ("strands", "boto3", "mcp") if name in sys.modules])
"""


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, cwd=folder, env=environ, timeout=60
    )


def test_both_answers_are_shown_side_by_side(tmp_path: Path) -> None:
    text = "compare the fall of Rome and of Byzantium"
    done = run(tmp_path, "-m", "gateway", "explain", text, "--sandbox", "--deliberate", "--json")
    assert done.returncode == 0, done.stderr
    both = json.loads(done.stdout)
    assert sorted(both) == ["deliberated", "fast"]
    fast, thought = both["fast"]["routing"], both["deliberated"]["routing"]
    assert (fast["decided_by"], thought["decided_by"]) == ("fast", "deliberated")
    assert thought["target"] in fast["scores"]
    asked = {(one["agent"], one["model"]) for one in both["deliberated"]["model_answers"]}
    assert asked == {
        ("safety", "amazon.nova-micro-v1:0"),
        ("context", "amazon.nova-micro-v1:0"),
        ("context", "amazon.nova-lite-v1:0"),
        ("router", "amazon.nova-pro-v1:0"),
    }
    shown = run(tmp_path, "-m", "gateway", "explain", text, "--sandbox", "--deliberate")
    assert shown.returncode == 0 and "deliberated" in shown.stdout


def test_a_restricted_request_is_shown_to_no_model(tmp_path: Path) -> None:
    done = run(
        tmp_path, "-m", "gateway", "explain", "hello", "--sandbox", "--deliberate", "--json",
        "--set", "privacy.level=restricted",
    )  # fmt: skip
    both = json.loads(done.stdout)
    assert both["deliberated"]["model_answers"] == []
    assert both["deliberated"]["routing"] == both["fast"]["routing"]


def test_without_a_region_it_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "tierwise.toml").write_text(
        '[[targets]]\nname = "mec/a"\nkind = "openai"\nbase_url = "http://127.0.0.1:9/v1"\nmodel = "llama-3.1-8b"\n'
    )
    done = run(tmp_path, "-m", "gateway", "explain", "hello", "--deliberate")
    assert done.returncode == 1
    assert "deliberation.region" in done.stderr


def test_nothing_of_the_sdks_is_loaded_where_nobody_thinks(tmp_path: Path) -> None:
    done = run(tmp_path, "-c", OFF)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
