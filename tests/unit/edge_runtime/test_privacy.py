"""Nothing leaves the device: importing the package and running the model opens no connection.

ONNX Runtime reports usage unless told otherwise before its first import, so this is watched from
outside the process, at the system calls, and not asked of the library.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

USE = """
import os, sys, time
import edge_runtime
assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"
assert not {"onnxruntime", "numpy", "tokenizers", "psutil"} & set(sys.modules)
from edge_runtime.engines.onnx_intent import OnnxIntentEngine
from edge_runtime.store import SHIPPED
engine = OnnxIntentEngine.load(SHIPPED / "intent-v1")
assert engine.parse("set a timer for 5 minutes").known
time.sleep(0.5)
print("ran")
"""
LOOPBACK = re.compile(r'inet_addr\("127\.|"::1"')


def clean_environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ORT_")}
    return {**kept, "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}


def test_the_package_turns_reporting_off_before_any_engine_is_imported(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", USE],
        env=clean_environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "ran\n"), done.stderr


def test_a_user_who_wants_the_reports_keeps_the_last_word(tmp_path: Path) -> None:
    environment = {**clean_environment(tmp_path), "ORT_DISABLE_TELEMETRY": "0"}
    code = "import os, edge_runtime; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "0\n"


def test_no_system_call_reaches_beyond_loopback(tmp_path: Path) -> None:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed: system calls cannot be watched")
    trace = tmp_path / "trace"
    watched = [strace, "-f", "-qq", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-o", str(trace)]
    done = subprocess.run(
        [*watched, sys.executable, "-c", USE],
        env=clean_environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0 and "ptrace" in done.stderr:
        pytest.skip("strace may not attach here: system calls cannot be watched")
    assert done.stdout == "ran\n", done.stderr
    outside = [
        line
        for line in trace.read_text().splitlines()
        if ("AF_INET" in line or "send" in line) and not LOOPBACK.search(line)
    ]
    assert outside == []
    assert list(tmp_path.rglob("*.onnxruntime*")) == []
