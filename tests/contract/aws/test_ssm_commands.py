"""`tierwise policy --env` and settings from Parameter Store, as an operator and a gateway's start use them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import main
from gateway.settings.loading import load
from router_core.deployment import policy_parameter, rollout_parameter
from router_core.errors import ConfigurationError
from tests.localmoto import Clients, environment, unique
from tests.unit.policy.parameters import document

ENV = "staging"
WHY = ("--why", "a test", "--by", "ann")


@pytest.fixture
def ssm(aws: Clients, aws_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An environment without a policy, and a process that reaches it."""
    for name, value in environment(aws_endpoint).items():
        monkeypatch.setenv(name, value)
    client = aws("ssm")
    yield client
    client.delete_parameters(Names=[policy_parameter(ENV), rollout_parameter(ENV)])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two"):
        (tmp_path / f"{name}.json").write_text(document(name))
    return tmp_path


def policy(*arguments: str) -> int:
    return main(["policy", *arguments, "--env", ENV])


def versions(ssm: Any) -> int:
    found = ssm.get_parameters(Names=[policy_parameter(ENV)])["Parameters"]
    return found[0]["Version"] if found else 0


def test_the_whole_way(ssm: Any, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert policy("push", "one.json", "--yes", *WHY) == 0
    assert policy("push", "two.json", "--share", "0.25", "--yes", *WHY) == 0
    capsys.readouterr()
    assert policy("show") == 0
    shown = capsys.readouterr().out
    assert "one@1 (version 1) is in force by the rule: label stable" in shown
    assert "two@1 (version 2) for 25% of the sessions" in shown
    assert policy("diff") == 0
    assert "after: two@1" in capsys.readouterr().out
    assert policy("diff", "one.json") == 0
    assert "no difference" in capsys.readouterr().out
    assert policy("promote", "--yes", *WHY) == 0, "there is no record to weigh"
    assert "promote: one@1 (version 1) -> two@1 (version 2)" in capsys.readouterr().out
    assert policy("pull") == 0
    assert json.loads(capsys.readouterr().out) == json.loads(document("two"))
    assert policy("pull", "--version", "1", "--out", "back.json") == 0
    assert json.loads((folder / "back.json").read_text()) == json.loads(document("one"))
    assert policy("rollback", "--yes", "--json", *WHY) == 0
    assert json.loads(capsys.readouterr().out)["after"] == "one@1 (version 1)"
    assert policy("show", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["in_force"]["policy"], told["canary"], told["share"]) == ("one@1", None, 0.0)
    assert {one["by"] for one in told["changes"]} == {"ann"}
    assert {one["why"] for one in told["changes"]} == {"a test", "without evidence: a test"}


@pytest.mark.parametrize(
    ("text", "said"),
    [("{", "not valid JSON"), ('{"nonsense": 1}', "nonsense"), (json.dumps({"name": "x" * 8_100}), "8000")],
)
def test_an_invalid_policy_is_not_written(
    ssm: Any, folder: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    (folder / "bad.json").write_text(text)
    assert policy("push", "bad.json", "--yes", *WHY) == 1
    assert said in capsys.readouterr().err
    assert versions(ssm) == 0


def test_nothing_is_changed_where_nobody_can_be_asked(ssm: Any, folder: Path) -> None:
    assert policy("push", "one.json", *WHY) == 2
    assert policy("push", "one.json", "--json", *WHY) == 2
    assert policy("push", "one.json", "--yes", "--why", "  ") == 1
    assert versions(ssm) == 0
    for arguments in (("push", "one.json", "--yes"), ("push", "one.json", "--share", "1.1", "--why", "x")):
        with pytest.raises(SystemExit) as wrong:
            policy(*arguments)
        assert wrong.value.code == 2


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_person_sees_what_would_change_and_is_asked(
    ssm: Any, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    policy("push", "one.json", "--yes", *WHY)
    policy("push", "two.json", "--yes", *WHY)
    capsys.readouterr()
    for answer, status, label in (("\n", 1, "one@1"), ("y\n", 0, "two@1")):
        monkeypatch.setattr("sys.stdin", Terminal(answer))
        assert policy("promote", "--force", *WHY) == status
        assert "before: one@1" in (said := capsys.readouterr().out)
        assert "Make two@1 (version 2) the policy of all sessions in staging? [y/N]" in said
        policy("show", "--json")
        assert json.loads(capsys.readouterr().out)["in_force"]["policy"] == label


@pytest.mark.parametrize("action", [("show",), ("pull",), ("diff", "one.json"), ("promote", "--yes", *WHY)])
def test_an_environment_without_a_policy_says_so(
    ssm: Any, folder: Path, capsys: pytest.CaptureFixture[str], action: tuple[str, ...]
) -> None:
    assert policy(*action) == 1
    assert policy_parameter(ENV) in capsys.readouterr().err


def test_show_tells_of_drafts_and_of_what_is_no_policy(
    ssm: Any, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ssm.put_parameter(Name=policy_parameter(ENV), Value="{}{", Type="String")
    assert policy("show") == 0
    assert "invalid (version 1) is in force by the rule: newest version" in capsys.readouterr().out
    ssm.put_parameter(Name=policy_parameter(ENV), Value=document("one"), Overwrite=True)
    ssm.label_parameter_version(Name=policy_parameter(ENV), ParameterVersion=2, Labels=["stable"])
    ssm.put_parameter(Name=policy_parameter(ENV), Value=document("two"), Overwrite=True)
    assert policy("show") == 0
    assert "no label points to them: versions 3" in capsys.readouterr().out


def test_show_reads_what_the_settings_name(
    ssm: Any, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ssm.put_parameter(Name=policy_parameter(ENV), Value=document("one"), Type="String")
    monkeypatch.setenv("TIERWISE_POLICY__SSM", policy_parameter(ENV))
    assert main(["policy", "show"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "one"
    assert main(["doctor"]) in (0, 1)
    assert f"one@1 from {policy_parameter(ENV)}" in capsys.readouterr().out
    assert not (folder / "var").exists()


def test_settings_come_from_the_file_then_the_parameters_then_the_variables(ssm: Any, folder: Path) -> None:
    prefix = f"/{unique('settings')}"
    for name, value in {
        "server/port": "9001",
        "server/workers": "2",
        "aliases": '{"gpt-4o": "auto"}',
    }.items():
        ssm.put_parameter(Name=f"{prefix}/{name}", Value=value, Type="SecureString")
    (folder / "tierwise.toml").write_text("[server]\nport = 9000\nworkers = 3\ndrain_s = 1.5\n")
    settings = load(None, {"TIERWISE_SETTINGS_SSM": prefix, "TIERWISE_SERVER__WORKERS": "4"})
    assert (settings.server.port, settings.server.workers, settings.server.drain_s) == (9001, 4, 1.5)
    assert settings.aliases == {"gpt-4o": "auto"}


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("servr/port", "1", "unknown key servr; did you mean server"),
        ("server/prt", "1", r"unknown key server\.prt"),
        ("server/port", "hidden-secret", "must hold JSON"),
        ("server/port/low", "1", "names nothing"),
        ("targets/3/name", "x", "there is no such element"),
    ],
)
def test_a_parameter_that_cannot_be_is_named_and_its_value_never_shown(
    ssm: Any, folder: Path, name: str, value: str, said: str
) -> None:
    prefix = f"/{unique('settings')}"
    ssm.put_parameter(Name=f"{prefix}/{name}", Value=value, Type="String")
    with pytest.raises(ConfigurationError, match=said) as wrong:
        load(None, {"TIERWISE_SETTINGS_SSM": prefix})
    assert f"parameter {prefix}/{name}" in str(wrong.value)
    assert "hidden" not in str(wrong.value)


def test_settings_that_cannot_be_read_stop_the_start(
    ssm: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(ConfigurationError, match="cannot be reached"):
        load(None, {"TIERWISE_SETTINGS_SSM": "/tierwise/staging/settings"})
