"""`tierwise judge calibrate`: the real command, judges behind a real socket, and the file that a gateway starts with."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from agents.judge.lobbying import CRITERIA
from gateway.cli.jobs.judge import read_cases
from gateway.jobs.calibrated import read_rates
from router_core.errors import ConfigurationError
from router_core.learning.judge_correction import corrected


class Judge(BaseHTTPRequestHandler):
    """Grades by one word of the answer; too kind by far."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        mark, material = str(body["messages"][-1]["content"]).split("\n", 1)
        answer = json.loads(material.removesuffix(mark))["answer"]
        grade = 9 if "right" in answer else 6
        reply = json.dumps({"mark": mark, **dict.fromkeys(CRITERIA, grade), "reason": "so"})
        choice = {"index": 0, "message": {"role": "assistant", "content": reply}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
        self._send({"id": "1", "object": "chat.completion", "created": 1, "model": body["model"],
                    "choices": [choice], "usage": usage})  # fmt: skip

    def do_GET(self) -> None:
        self._send({"object": "list", "data": [{"id": "qwen3-8b", "object": "model"}]})

    def _send(self, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Path]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Judge)
    Thread(target=server.serve_forever, daemon=True).start()
    file = tmp_path / "tierwise.toml"
    file.write_text(
        f'[[targets]]\nname = "mec/judge"\nkind = "openai"\nmodel = "qwen3-8b"\n'
        f'base_url = "http://127.0.0.1:{server.server_port}/v1"\nregion = "eu-central-1"\n'
    )
    yield file
    server.shutdown()
    server.server_close()


def calibrate(settings: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gateway", "judge", "calibrate", "--config", str(settings), *arguments]
    return subprocess.run(
        command, cwd=settings.parent, capture_output=True, text=True, timeout=60, check=False
    )


def labelled(folder: Path, count: int) -> Path:
    file = folder / "labels.jsonl"
    rows = [
        {"question": f"q{number}", "answer": "right" if number % 2 else "wrong", "label": number % 2}
        for number in range(count)
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def test_judges_are_measured_and_their_scores_corrected_from_then_on(settings: Path) -> None:
    out = settings.parent / "rates.json"
    done = calibrate(settings, str(labelled(settings.parent, 120)), "--json", "--out", str(out))
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["asked"], report["judged"], report["usable"]) == (120, 120, True)
    assert (report["tpr"], report["fpr"], report["auc"]) == (pytest.approx(0.9), pytest.approx(0.6), 1.0)
    rates = read_rates(out)
    # A score that bad answers get on average is worth nothing, though it looks like 0.6.
    assert corrected(0.6, rates) == pytest.approx(0.0, abs=1e-9)
    assert corrected(0.9, rates) == pytest.approx(1.0)


def test_too_few_answers_say_so(settings: Path) -> None:
    done = calibrate(settings, str(labelled(settings.parent, 4)))
    assert done.returncode == 0 and "cannot be corrected" in done.stderr
    assert "Cohen's kappa" in done.stdout


@pytest.mark.parametrize("line", ["{", "[]", '{"question": "q", "answer": "a"}', '{"question": "q", "answer": "a", "label": 2}',
                                  '{"question": 1, "answer": "a", "label": 1}', '{"question": "q", "answer": "a", "label": 1, "x": 1}'])  # fmt: skip
def test_a_line_that_is_not_right_is_named(tmp_path: Path, line: str) -> None:
    file = labelled(tmp_path, 2)
    file.write_text(file.read_text() + line + "\n")
    with pytest.raises(ConfigurationError, match=r"labels\.jsonl:3"):
        read_cases(file)


@pytest.mark.parametrize("text", ["", "{}", '{"rates": {"good": 1, "bad": 1, "good_scores": 2, "bad_scores": 0}}',
                                  '{"rates": {"good": -1, "bad": 1, "good_scores": 0, "bad_scores": 0}}', "[" * 9000])  # fmt: skip
def test_a_file_that_is_no_calibration_is_refused_at_the_start(tmp_path: Path, text: str) -> None:
    file = tmp_path / "rates.json"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match="judge_rates"):
        read_rates(file)
