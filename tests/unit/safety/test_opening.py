"""Guards as the settings describe them, opened: each the right adapter, in its place, with its key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from gateway.composition.outside.guards import open_guards
from gateway.sandbox.mec import MecOptions
from gateway.settings.loading import load
from router_core.ports import GuardCall
from tests.mec_node import running_node

GUARDS = """
[[guards]]
name = "main"
kind = "bedrock"
guardrail = "gr123"
region = "eu-central-1"

[[guards]]
name = "near"
kind = "llama-guard"
base_url = "{url}/v1"
model = "llama-guard-3"
api_key = "env:GUARD_KEY"
tier = "mec"
region = "eu-central-1"
max_privacy = "restricted"

[[guards]]
name = "scores"
base_url = "{url}/v1"
model = "llama-guard-3"
api_key = "env:GUARD_KEY"
timeout_ms = 500
"""
ENVIRON = {"GUARD_KEY": "k1", "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "s"}


async def test_each_guard_is_what_its_settings_say(tmp_path: Path) -> None:
    with running_node(MecOptions(models=("llama-guard-3",), pace=0.0, api_key="k1")) as (_, url):
        (tmp_path / "tierwise.toml").write_text(GUARDS.format(url=url))
        closers: list[Callable[[], Awaitable[None]]] = []
        placed = open_guards(load(str(tmp_path / "tierwise.toml"), ENVIRON), ENVIRON, closers).placed
        assert {name: (one.tier, one.max_privacy, one.timeout_s) for name, one in placed.items()} == {
            "main": ("cloud", None, 2.0),
            "near": ("mec", "restricted", 2.0),
            "scores": ("cloud", None, 0.5),
        }
        assert "eu" in placed["main"].groups and "eu" in placed["near"].groups
        assert placed["scores"].groups == ()
        for name in ("near", "scores"):
            assert (await placed[name].guard.judge(GuardCall(text="forbidden-fruit"))).flagged
        for close in closers:
            await close()


def test_without_guards_nothing_is_opened(tmp_path: Path) -> None:
    (tmp_path / "tierwise.toml").write_text("")
    assert open_guards(load(str(tmp_path / "tierwise.toml"), {}), {}, []).placed == {}
