"""What the doctor says of agents that think: where their models are, and whether the policy has them asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.cli.doctor_checks import examine

THINKS = '{"deliberation": {"router": {"complex": "gated"}}}'
NOWHERE = '[deliberation]\nendpoint_url = "http://127.0.0.1:9"\n'
REGION = '[deliberation]\nregion = "us-east-1"\n'


@pytest.mark.parametrize(
    ("settings", "policy", "found"),
    [
        ("", "{}", []),
        ("", THINKS, [("note", "deliberation.region is not set")]),
        (REGION, THINKS, [("note", "Nova in us-east-1; no credentials")]),
        (REGION, "{}", [("note", "no credentials"), ("note", "no agent think")]),
        (NOWHERE, THINKS, [("fail", "127.0.0.1:9 does not answer")]),
    ],
)
def test_agents_models_and_the_policy(
    settings: str,
    policy: str,
    found: list[tuple[str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("strands", reason="the deliberation extra is not installed")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "policy.json").write_text(policy)
    file = tmp_path / "tierwise.toml"
    file.write_text(f'{settings}\n[policy]\nfile = "{tmp_path / "policy.json"}"\n')
    said = [one for one in examine(str(file), sandbox=False) if one.what == "deliberation"]
    assert len(said) == len(found)
    for one, (verdict, detail) in zip(said, found, strict=True):
        assert one.verdict == verdict and detail in one.detail


def test_where_jobs_are_kept_and_whom_callers_may_ask(tmp_path: Path) -> None:
    file = tmp_path / "tierwise.toml"
    provider = '[[providers]]\nname = "p"\nbase_url = "http://127.0.0.1:9/v1"\nmodel = "m"\nregion = "US"\n'
    said = {}
    for url in (f"sqlite:///{tmp_path / 'jobs.db'}", "postgresql://t@127.0.0.1:9/x"):
        file.write_text(f'{provider}[jobs]\nurl = "{url}"\nkey = "file:{tmp_path / "key"}"\n')
        said[url[:6]] = {one.what: one for one in examine(str(file), sandbox=False)}
    assert said["sqlite"]["jobs"].verdict == "ok" and not (tmp_path / "jobs.db").exists()
    assert (said["postgr"]["jobs"].verdict, said["postgr"]["provider byok/p"].verdict) == ("fail", "fail")
    assert "cannot be reached" in said["postgr"]["jobs"].detail
