"""Starts a model node: fetches a model from S3, proves every file, and runs vLLM on it as a child.

A model is a folder with a `manifest.json` that names its files with size and SHA-256; what is on the disk already and
right is kept, what is wrong never gets its final name. LoRA adapters lie below `adapters/NAME/`, each with a manifest
of its own; new ones are looked for while the node runs and handed to vLLM, so that an adapter needs no restart.
Everything is told by variables (`NODE_*`), and the key that callers show by `VLLM_API_KEY`, which stays out of the
command line.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any, Final, Protocol

MANIFEST: Final = "manifest.json"
MAX_MANIFEST_BYTES: Final = 1024 * 1024
MAX_FILES: Final = 1_000
LOOK_S: Final = 60.0
_CHUNK: Final = 4 * 1024 * 1024
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}(/[A-Za-z0-9][A-Za-z0-9._-]{0,127}){0,4}")
_SHA: Final = re.compile(r"[0-9a-f]{64}")


class BrokenModelError(Exception):
    """What S3 holds is not the model that its manifest tells of."""


class Bucket(Protocol):
    """The two calls of an S3 client that are needed."""

    def get_object(self, *, Bucket: str, Key: str) -> Any: ...

    def list_objects_v2(self, *, Bucket: str, Prefix: str, Delimiter: str) -> Any: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What this node serves, and how."""

    bucket: str
    prefix: str
    model: str
    folder: Path
    port: int
    context_tokens: int
    adapters: int
    stop_s: int

    @classmethod
    def told(cls, environ: Mapping[str, str]) -> Node:
        """From the variables; a missing one is a KeyError that names it."""
        return cls(
            bucket=environ["NODE_BUCKET"],
            prefix=environ["NODE_PREFIX"],
            model=environ["NODE_MODEL"],
            folder=Path(environ["NODE_FOLDER"]),
            port=int(environ["NODE_PORT"]),
            context_tokens=int(environ["NODE_CONTEXT_TOKENS"]),
            adapters=int(environ.get("NODE_LORA_ADAPTERS", "0")),
            stop_s=int(environ.get("NODE_STOP_S", "60")),
        )

    @property
    def home(self) -> Path:
        """Where the model lies on this machine."""
        return self.folder / PurePosixPath(self.prefix).name


def files(manifest: bytes) -> dict[str, tuple[int, str]]:
    """Size and SHA-256 by name. Raises `BrokenModelError` for a name that leaves the folder, or no manifest."""
    try:
        listed = json.loads(manifest)["files"]
        found = {str(name): (int(entry["bytes"]), str(entry["sha256"])) for name, entry in listed.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BrokenModelError("the manifest names no files") from error
    if not 1 <= len(found) <= MAX_FILES:
        raise BrokenModelError(f"a model has 1 to {MAX_FILES} files")
    for name, (size, digest) in found.items():
        if not _NAME.fullmatch(name) or not _SHA.fullmatch(digest) or size < 0:
            raise BrokenModelError("the manifest names a file that cannot be one of a model")
    return found


def fetch(client: Bucket, bucket: str, prefix: str, folder: Path) -> None:
    """Make `folder` hold what the manifest at `prefix` tells of. Raises `BrokenModelError`, and the client's own
    errors."""
    manifest = client.get_object(Bucket=bucket, Key=prefix + MANIFEST)["Body"].read(MAX_MANIFEST_BYTES + 1)
    if len(manifest) > MAX_MANIFEST_BYTES:
        raise BrokenModelError("the manifest is too large")
    for name, (size, digest) in files(manifest).items():
        path = folder / name
        if path.is_file() and path.stat().st_size == size and _digest(path) == digest:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        try:
            _download(client.get_object(Bucket=bucket, Key=prefix + name)["Body"], part, size, digest)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def _download(body: Any, part: Path, size: int, digest: str) -> None:
    seen, total = sha256(), 0
    with part.open("wb") as file:
        while chunk := body.read(_CHUNK):
            total += len(chunk)
            if total > size:
                break
            seen.update(chunk)
            file.write(chunk)
    if total != size or seen.hexdigest() != digest:
        raise BrokenModelError(f"{part.name[1:-5]} is not what the manifest says")


def _digest(path: Path) -> str:
    seen = sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            seen.update(chunk)
    return seen.hexdigest()


def adapter_names(client: Bucket, node: Node) -> list[str]:
    """Adapters that the bucket holds, at most as many as the node takes, in the order of their names."""
    below = f"{node.prefix}adapters/"
    listed = client.list_objects_v2(Bucket=node.bucket, Prefix=below, Delimiter="/").get("CommonPrefixes", ())
    names = (PurePosixPath(item["Prefix"]).name for item in listed)
    return sorted(name for name in names if _NAME.fullmatch(name))[: node.adapters]


def fetch_adapter(client: Bucket, node: Node, name: str) -> Path:
    """The adapter's folder on this machine, complete."""
    folder = node.home / "adapters" / name
    fetch(client, node.bucket, f"{node.prefix}adapters/{name}/", folder)
    return folder


def command(node: Node, adapters: Mapping[str, Path]) -> list[str]:
    """vLLM's command line."""
    words = ["vllm", "serve", str(node.home), "--served-model-name", node.model, "--host", "0.0.0.0"]  # noqa: S104  # the node's network lets gateways in, and nobody else
    words += ["--port", str(node.port), "--max-model-len", str(node.context_tokens)]
    words += ["--shutdown-timeout", str(node.stop_s), "--enable-prefix-caching"]
    if node.adapters:
        words += ["--enable-lora", "--max-loras", str(node.adapters), "--max-lora-rank", "64"]
    if adapters:
        words += ["--lora-modules", *(f"{name}={path}" for name, path in adapters.items())]
    return words


def load_adapter(node: Node, key: str, name: str, path: Path) -> None:
    """Tell the running vLLM of an adapter. Raises OSError when it does not take it."""
    body = json.dumps({"lora_name": name, "lora_path": str(path)}).encode()
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    url = f"http://127.0.0.1:{node.port}/v1/load_lora_adapter"
    request = urllib.request.Request(url, data=body, headers=headers)
    with urllib.request.urlopen(request, timeout=60):  # noqa: S310  # our own child on this machine
        pass


class Follow(threading.Thread):
    """Looks for new adapters every minute until `stopped`; what fails is tried again the next time."""

    def __init__(
        self, client: Bucket, node: Node, loaded: set[str], load: Callable[[str, Path], None]
    ) -> None:
        super().__init__(name="adapters", daemon=True)
        self.stopped = threading.Event()
        self._client, self._node, self._loaded, self._load = client, node, loaded, load

    def run(self) -> None:
        while not self.stopped.wait(LOOK_S):
            self.look()

    def look(self) -> None:
        """One round."""
        try:
            for name in adapter_names(self._client, self._node):
                if name not in self._loaded:
                    self._load(name, fetch_adapter(self._client, self._node, name))
                    self._loaded.add(name)
        except Exception as error:  # an adapter that is not there yet must not end the node
            say(f"adapters: {type(error).__name__}; tried again in {LOOK_S:g} s")


def say(text: str) -> None:
    sys.stderr.write(f"node: {text}\n")


def main() -> int:
    """Fetch, serve, and end as vLLM ends."""
    import boto3

    node = Node.told(os.environ)
    client: Bucket = boto3.client("s3")
    say(f"fetching {node.model}")
    fetch(client, node.bucket, node.prefix, node.home)
    adapters = {name: fetch_adapter(client, node, name) for name in adapter_names(client, node)}
    say(f"complete, with {len(adapters)} adapters")
    environ = {**os.environ, **({"VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True"} if node.adapters else {})}
    child = subprocess.Popen(command(node, adapters), env=environ)  # noqa: S603  # vLLM, with words of ours
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, _: child.send_signal(got))
    if node.adapters:
        key = os.environ["VLLM_API_KEY"]
        Follow(client, node, set(adapters), lambda name, path: load_adapter(node, key, name, path)).start()
    return child.wait()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BrokenModelError as broken:
        say(str(broken))
        sys.exit(1)
