"""`tierwise train`, `predict` and `evaluate` on a small synthetic folder: every line present, JSON that parses, errors that say what to do."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from gateway.cli.parser import main
from tests.unit.learning.tables_of_answers import EASY, HARD, MODELS, THINGS, write_tables

pytest.importorskip("pyarrow")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_tables(tmp_path_factory.mktemp("answers"), rows=120)
    pieces = np.array(["please", "the", "of", *EASY, *HARD, *THINGS])
    rows = np.random.default_rng(0).normal(size=(len(pieces), 8)).astype(np.float32)
    np.savez(folder / "table.npz", pieces=pieces, rows=rows)
    return folder


@pytest.fixture(scope="module")
def weights(folder: Path) -> Path:
    out = folder / "out" / "scorer.bin"
    table = str(folder / "table.npz")
    assert main(["train", "--data", str(folder), "--out", str(out), "--seed", "3", "--table", table]) == 0
    return out


def test_the_card_names_the_weights(weights: Path) -> None:
    card = json.loads(weights.with_suffix(".json").read_text())
    assert card["bytes"] == weights.stat().st_size
    assert len(card["sha256"]) == 64
    assert card["sources"] == ["alpha", "beta"]


def test_every_question_has_a_line(
    folder: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "preds.jsonl"
    assert main(["predict", "--data", str(folder), "--out", str(out), "--model", str(weights), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"file": str(out), "lines": 240}
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert {line["uid"] for line in lines} == {f"{s}:{i}" for s in ("alpha", "beta") for i in range(120)}
    assert all(len(line["q"]) == len(line["tok"]) == len(MODELS) for line in lines)
    assert all(0 < line["v"] < 1 for line in lines)


def test_predicting_reads_no_scores(folder: Path, weights: Path, tmp_path: Path) -> None:
    from pyarrow import parquet

    blind = tmp_path / "blind"
    blind.mkdir()
    for name in ("alpha", "beta"):
        table = parquet.read_table(folder / f"{name}.parquet")
        kept = [c for c in table.column_names if c in ("uid", "text") or c.startswith("a:")]
        parquet.write_table(table.select(kept), blind / f"{name}.parquet")
    (blind / "manifest.json").write_text((folder / "manifest.json").read_text())
    for data, out in ((folder, "seen.jsonl"), (blind, "blind.jsonl")):
        args = ["predict", "--data", str(data), "--out", str(tmp_path / out), "--model", str(weights)]
        assert main(args) == 0
    assert (tmp_path / "seen.jsonl").read_text() == (tmp_path / "blind.jsonl").read_text()


def test_evaluating_gives_every_figure(
    folder: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "--data", str(folder), "--model", str(weights), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"alpha", "beta", "mixture"}
    assert found["mixture"]["n"] == 240
    assert found["alpha"]["apgr"] > 0.6
    assert {"naiq", "save98", "save95", "ece", "sure_apgr"} <= set(found["mixture"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["predict", "--out", "x"], "TIERWISE_ROUTING_DATA"),
        (["predict", "--out", "x", "--data", "nowhere"], "no such folder"),
        (["evaluate", "--data", "."], "manifest"),
    ],
)
def test_what_is_missing_is_said(
    arguments: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.delenv("TIERWISE_ROUTING_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    assert said in capsys.readouterr().err
