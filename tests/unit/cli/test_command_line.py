"""The command line: light until a command is chosen, the same exit statuses everywhere, JSON that parses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli.parser import COMMANDS, build_parser, main
from gateway.cli.request import body_of
from router_core.errors import RequestError
from router_core.policy.parse import from_document, minified, to_document

CANARY = "sk-canary-cli-51"
HEAVY = (
    "numpy",
    "rich",
    "uvicorn",
    "fastapi",
    "pydantic",
    "orjson",
    "msgspec",
    "onnxruntime",
    "botocore",
    "asyncio",
)
NAMES = [command.name for command in COMMANDS]


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings of the machine, and a folder without a settings file."""
    for name in [name for name in os.environ if name.startswith("TIERWISE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def output(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Status, stdout and stderr of one command in this process."""
    try:
        status = main(arguments)
    except SystemExit as ended:
        status = int(ended.code or 0)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from gateway.cli.parser import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        f"sys.stderr.write(','.join(name for name in {HEAVY!r} if name in sys.modules))"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert "COMMAND" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("name", NAMES)
def test_every_command_explains_itself_and_takes_json(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = output(capsys, name, "--help")
    assert status == 0
    assert "--json" in out


def test_the_contracts_commands_are_there() -> None:
    assert set(NAMES) >= {"serve", "ask", "explain", "targets", "policy", "models", "demo", "bench", "doctor"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["fly"],
        [],
        ["ask"],
        ["serve", "--port", "70000"],
        ["serve", "--port", "x"],
        ["serve", "--workers", "0"],
        ["policy"],
        ["policy", "burn"],
        ["doctor", "--nope"],
    ],
)
def test_wrong_usage_is_status_2_on_stderr(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = output(capsys, *arguments)
    assert (status, out) == (2, "")
    assert "usage" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["ask", "hi", "--url", "http://127.0.0.1:9"],
        ["explain", "hi", "--url", "http://127.0.0.1:9"],
        ["explain"],
        ["explain", "hi", "--sandbox", "--device", "battery"],
        ["explain", "hi", "--sandbox", "--device", "battery=7"],
        ["explain", "--replay", "req_none", "--events", "."],
        ["explain", "--replay", "req_none", "--events", "absent"],
        ["targets", "--url", "ftp://x"],
        ["policy", "validate", "absent.json"],
        ["policy", "show", "--config", "absent.toml"],
        ["serve", "--sandbox", "--host", "0.0.0.0"],  # noqa: S104  # the point: it must be refused
        ["serve", "--config", "absent.toml"],
    ],
)
def test_a_failure_is_status_1_one_sentence_and_json_when_asked(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = output(capsys, *arguments)
    assert (status, out) == (1, "")
    assert err.startswith("tierwise: ") and err.count("\n") == 1
    assert "unexpected" not in err
    status, out, _ = output(capsys, *arguments, "--json")
    assert status == 1
    assert set(json.loads(out)["error"]) == {"type", "message"}


def test_policy_show_prints_a_document_that_is_valid_itself(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = output(capsys, "policy", "show")
    assert status == 0
    assert from_document(json.loads(out)).label == "default@1"


def test_policy_validate_says_what_a_file_is_or_which_key_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_bytes(minified({**to_document(from_document({})), "name": "mine", "version": 7}))
    bad.write_text('{"limits": {"attemps": 3}}')
    status, out, _ = output(capsys, "policy", "validate", str(good), "--json")
    assert status == 0
    assert json.loads(out)["policy"] == "mine@7"
    status, _, err = output(capsys, "policy", "validate", str(bad))
    assert status == 1
    assert "limits.attemps" in err


def test_policy_diff_names_each_changed_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other.json"
    other.write_text('{"version": 2, "limits": {"attempts": 2}}')
    status, out, _ = output(capsys, "policy", "diff", "default", str(other), "--json")
    assert status == 0
    assert {one["key"]: (one["before"], one["after"]) for one in json.loads(out)["changes"]} == {
        "limits.attempts": (4, 2),
        "version": (1, 2),
    }
    assert "limits.attempts" in output(capsys, "policy", "diff", "default", str(other))[1]
    assert output(capsys, "policy", "diff", "default")[1] == "no difference\n"


def test_models_list_holds_the_intent_catalogue_and_the_dated_data(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, out, _ = output(capsys, "models", "list", "--json")
    document = json.loads(out)
    assert status == 0
    intent = next(model for model in document["device"] if model["name"] == "intent-v1")
    assert "duration_s" in intent["catalogue"]["intents"]["set_timer"]["slots"]
    assert intent["catalogue"]["types"]["duration"]["unit"] == "s"
    assert any(model["name"] == "amazon.nova-pro-v1:0" for model in document["known"])
    assert "set_timer" in output(capsys, "models", "list")[1]


def test_explain_in_the_sandbox_decides_here_and_names_every_target(
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["explain", "turn off the kitchen lights", "--sandbox"]
    status, out, _ = output(capsys, *command, "--json")
    answer = json.loads(out)
    named = {**answer["routing"]["scores"], **answer["routing"]["rejected"]}
    listed = json.loads(output(capsys, "targets", "--sandbox", "--json")[1])["targets"]
    assert status == 0
    assert answer["routing"]["target"] == "device/intent-v1"
    assert (answer["output"], answer["attempts"]) == (None, [])
    assert set(named) == {target["name"] for target in listed}
    low = json.loads(output(capsys, *command, "--device", "battery=0.05", "charging=false", "--json")[1])
    assert low["routing"]["rejected"]["device/intent-v1"].startswith("device: battery")
    assert "ruled out" in output(capsys, *command, "--set", "privacy.residency=eu")[1]


def test_bench_passes_on_what_it_does_not_know_and_gives_its_status(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert main(["bench", "--help-me-not"]) == 1
    assert "--help-me-not" in capfd.readouterr().err


def test_fields_are_typed_as_json_where_they_are_json() -> None:
    typed = 'explain hi --device battery=0.1 class=phone executes=true models=["intent-v1"] --network type=offline'
    more = "--optimize cost --set privacy.level=restricted preferences.fallback=false"
    options = build_parser().parse_args([*typed.split(), *more.split()])
    assert body_of(options) == {
        "input": "hi",
        "device": {"battery": 0.1, "class": "phone", "executes": True, "models": ["intent-v1"]},
        "network": {"type": "offline"},
        "preferences": {"optimize": "cost", "fallback": False},
        "privacy": {"level": "restricted"},
    }


@pytest.mark.parametrize("pair", ["x", ".a=1", "a..b=1", "input.x=1"])
def test_a_field_without_a_place_is_refused(pair: str) -> None:
    options = build_parser().parse_args(["explain", "hi", "--set", pair])
    with pytest.raises(RequestError):
        body_of(options)


def test_doctor_says_what_is_configured_by_id_and_shows_no_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PHONE", CANARY)
    monkeypatch.setenv("TIERWISE_KEYS", '[{"id": "phone-app", "secret": "env:PHONE"}]')
    target = {
        "name": "mec/gone",
        "base_url": "http://127.0.0.1:9/v1",
        "model": "llama-3.1-8b",
        "api_key": "env:PHONE",
    }
    monkeypatch.setenv("TIERWISE_TARGETS", json.dumps([target]))
    status, out, err = output(capsys, "doctor", "--json")
    found = {finding["what"]: finding for finding in json.loads(out)["findings"]}
    assert status == 1
    assert found["target mec/gone"]["verdict"] == "fail"
    assert "phone-app (user)" in found["keys"]["detail"]
    assert found["tier cloud"]["detail"] == "not configured, never chosen"
    assert found["telemetry"]["verdict"] == "ok"
    assert CANARY not in out + err + output(capsys, "doctor")[1]


def test_doctor_reports_wrong_settings_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TIERWISE_SERVR__PORT", "1")
    status, out, _ = output(capsys, "doctor", "--json")
    findings = json.loads(out)["findings"]
    assert status == 1
    assert findings[0]["verdict"] == "fail" and "servr" in findings[0]["detail"]
    assert any(finding["what"] == "extra edge" for finding in findings)


def test_doctor_sees_a_foreign_package_named_agents(tmp_path: Path) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "__init__.py").write_text("")
    code = "import gateway.cli.doctor_checks as d; print([f.what for f in d._surroundings() if f.verdict == 'fail'])"
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path(__file__).parents[3])])}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environ, cwd=tmp_path, check=True
    )
    assert done.stdout.strip() == "['package agents']"
