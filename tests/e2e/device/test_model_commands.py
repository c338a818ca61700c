"""The command line of device models: a key, a signed folder, a pull from a site, what lies there, and what is deleted."""

from __future__ import annotations

import functools
import json
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from edge_runtime.store import SHIPPED
from tests.tiny_llama import build


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        return None


class Bench:
    """A folder of models, a site over it, and a library."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url, self.library = folder, url, folder / "library"

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "gateway", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=self.folder)

    def told(self, *arguments: str) -> Any:
        """What a command that succeeds says as JSON."""
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def pull(self, path: str, trust: str, *more: str) -> subprocess.CompletedProcess[str]:
        library = ("--library", str(self.library), "--trust", trust)
        return self.run("models", "pull", f"{self.url}/{path}", *library, *more)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("bench")
    shutil.copytree(SHIPPED / "intent-v1", folder / "site" / "intent")
    build(folder / "site" / "tiny")
    handler = functools.partial(Quiet, directory=str(folder / "site"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Bench(folder, f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def public(bench: Bench) -> str:
    """The public half of a key that the command line made."""
    told = bench.told("edge", "key", "signing.key")
    file = bench.folder / "signing.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text().strip() != told["public"]
    assert bench.run("edge", "key", "signing.key").returncode == 1  # a key is never overwritten
    return str(told["public"])


def test_a_signed_model_is_pulled_listed_checked_and_kept_while_it_serves(bench: Bench, public: str) -> None:
    signed = bench.told("edge", "sign", "site/intent", "--key", "signing.key")
    version = signed["version"]
    done = bench.pull("intent", public, "--activate", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["name"] == "intent-v1"
    (one,) = bench.told("models", "list", "--library", str(bench.library))["library"]
    assert (one["version"], one["engine"], one["state"]) == (version, "commands", "serves")
    assert bench.told("models", "verify", str(bench.library / "intent-v1" / version))["files"] >= 4
    evicting = ("models", "evict", "intent-v1", version, "--library", str(bench.library))
    refused = bench.run(*evicting)
    assert (refused.returncode, "in use" in refused.stderr) == (1, True)


def test_a_language_model_needs_its_facts_and_is_listed_as_one(bench: Bench, public: str) -> None:
    unnamed = bench.run("edge", "sign", "site/tiny", "--key", "signing.key")
    assert (unnamed.returncode, "--version" in unnamed.stderr) == (1, True)
    facts = ("--version", "1.0", "--licence", "Apache-2.0", "--min-ram-mb", "64")
    assert bench.told("edge", "sign", "site/tiny", "--key", "signing.key", *facts)["name"] == "tiny"
    assert bench.pull("tiny", public).returncode == 0
    listed = bench.told("models", "list", "--library", str(bench.library))["library"]
    tiny = next(one for one in listed if one["name"] == "tiny")
    assert (tiny["engine"], tiny["state"], tiny["licence"]) == ("language", "installed", "Apache-2.0")
    shown = bench.run("models", "list", "--library", str(bench.library))
    assert "language" in shown.stdout
    assert bench.told("models", "evict", "tiny", "1.0", "--library", str(bench.library))["name"] == "tiny"
    left = bench.told("models", "list", "--library", str(bench.library))["library"]
    assert "tiny" not in [one["name"] for one in left]


def test_what_is_not_trusted_or_not_whole_is_not_installed(bench: Bench, public: str) -> None:
    bench.told("edge", "sign", "site/intent", "--key", "signing.key")
    other = bench.told("edge", "key", "other.key")["public"]
    empty = Bench(bench.folder, bench.url)
    empty.library = bench.folder / "empty"
    refused = empty.pull("intent", other)
    assert (refused.returncode, "not installed" in refused.stderr) == (1, True)
    model = bench.folder / "site" / "intent" / "model.onnx"
    whole = model.read_bytes()
    try:
        model.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        changed = empty.pull("intent", public)
    finally:
        model.write_bytes(whole)
    assert (changed.returncode, "not the one that was signed" in changed.stderr) == (1, True)
    assert empty.told("models", "list", "--library", str(empty.library))["library"] == []
    assert bench.run("models", "pull", f"{bench.url}/intent").returncode == 1
    assert bench.run("models", "verify", "no-such-model").returncode == 1
