"""A model node serves what the manifest tells of, to the byte, or nothing."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.vllm.serve_model import (
    BrokenModelError,
    Follow,
    Node,
    adapter_names,
    command,
    fetch,
    fetch_adapter,
    files,
)

PREFIX = "nodes/llama/"
WEIGHTS = b"w" * 10_000


class Bucket:
    """S3 as the node sees it: objects by key, and how often each was read."""

    def __init__(self, objects: dict[str, bytes]) -> None:
        self.objects, self.read = objects, list[str]()

    def get_object(self, *, Bucket: str, Key: str) -> Any:
        self.read.append(Key)
        if Key not in self.objects:
            raise KeyError(Key)
        return {"Body": io.BytesIO(self.objects[Key])}

    def list_objects_v2(self, *, Bucket: str, Prefix: str, Delimiter: str) -> Any:
        below = {key[len(Prefix) :].split(Delimiter)[0] for key in self.objects if key.startswith(Prefix)}
        return {"CommonPrefixes": [{"Prefix": f"{Prefix}{name}/"} for name in below]}


def manifest(contents: dict[str, bytes]) -> bytes:
    entries = {
        name: {"bytes": len(body), "sha256": sha256(body).hexdigest()} for name, body in contents.items()
    }
    return json.dumps({"schema": 1, "files": entries}).encode()


def stored(prefix: str, contents: dict[str, bytes]) -> dict[str, bytes]:
    return {
        prefix + "manifest.json": manifest(contents),
        **{prefix + name: body for name, body in contents.items()},
    }


MODEL = {"config.json": b"{}", "weights/part-1.safetensors": WEIGHTS}


def node(folder: Path, adapters: int = 2) -> Node:
    return Node(
        bucket="models", prefix=PREFIX, model="llama", folder=folder, port=8000, context_tokens=8192,
        adapters=adapters, stop_s=60,
    )  # fmt: skip


def test_a_model_arrives_whole(tmp_path: Path) -> None:
    fetch(Bucket(stored(PREFIX, MODEL)), "models", PREFIX, tmp_path)
    assert {name: (tmp_path / name).read_bytes() for name in MODEL} == MODEL
    assert not list(tmp_path.rglob("*.part"))


def test_what_is_there_and_right_is_not_fetched_again(tmp_path: Path) -> None:
    bucket = Bucket(stored(PREFIX, MODEL))
    fetch(bucket, "models", PREFIX, tmp_path)
    (tmp_path / "config.json").write_bytes(b"[]")
    bucket.read.clear()
    fetch(bucket, "models", PREFIX, tmp_path)
    assert bucket.read == [f"{PREFIX}manifest.json", f"{PREFIX}config.json"]
    assert (tmp_path / "config.json").read_bytes() == b"{}"


@pytest.mark.parametrize("wrong", [WEIGHTS[:-1] + b"x", WEIGHTS[:-1], WEIGHTS + b"w", b""])
def test_a_file_that_is_not_the_manifests_never_gets_its_name(tmp_path: Path, wrong: bytes) -> None:
    objects = stored(PREFIX, MODEL)
    objects[f"{PREFIX}weights/part-1.safetensors"] = wrong
    with pytest.raises(BrokenModelError, match=r"part-1\.safetensors is not"):
        fetch(Bucket(objects), "models", PREFIX, tmp_path)
    assert not (tmp_path / "weights/part-1.safetensors").exists()
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/passwd", "a/../b", "", ".hidden", "a//b", "a b", "x/" * 9 + "y", "a\x00b"]
)
def test_a_manifest_cannot_name_a_file_outside_the_folder(name: str) -> None:
    with pytest.raises(BrokenModelError, match="cannot be one"):
        files(manifest({name: b""}))


@given(st.one_of(st.binary(max_size=200), st.builds(lambda v: json.dumps(v).encode(), st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["files", "bytes", "sha256", "a"]), inner, max_size=3),
    max_leaves=8,
))))  # fmt: skip
def test_any_other_manifest_is_refused_and_nothing_else_happens(body: bytes) -> None:
    with pytest.raises(BrokenModelError):
        files(body)


def test_a_manifest_that_is_too_large_is_refused(tmp_path: Path) -> None:
    objects = {f"{PREFIX}manifest.json": b" " * (1024 * 1024 + 1)}
    with pytest.raises(BrokenModelError, match="too large"):
        fetch(Bucket(objects), "models", PREFIX, tmp_path)


def adapted(*names: str) -> dict[str, bytes]:
    objects = stored(PREFIX, MODEL)
    for name in names:
        objects |= stored(f"{PREFIX}adapters/{name}/", {"adapter_model.safetensors": name.encode()})
    return objects


def test_adapters_are_those_of_the_bucket_and_no_more_than_the_node_takes(tmp_path: Path) -> None:
    bucket = Bucket(adapted("de", "fr", "it"))
    assert adapter_names(bucket, node(tmp_path)) == ["de", "fr"]
    path = fetch_adapter(bucket, node(tmp_path), "fr")
    assert path == tmp_path / "llama/adapters/fr"
    assert (path / "adapter_model.safetensors").read_bytes() == b"fr"


def test_an_adapter_that_comes_later_is_loaded_once(tmp_path: Path) -> None:
    bucket, loaded = Bucket(adapted("de")), list[tuple[str, Path]]()
    follow = Follow(bucket, node(tmp_path), {"de"}, lambda name, path: loaded.append((name, path)))
    follow.look()
    assert loaded == []
    bucket.objects |= adapted("de", "fr")
    follow.look()
    follow.look()
    assert loaded == [("fr", tmp_path / "llama/adapters/fr")]


def test_an_adapter_that_cannot_be_loaded_is_tried_again(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    tries = []

    def load(name: str, path: Path) -> None:
        tries.append(name)
        if len(tries) == 1:
            raise OSError("vLLM is not ready")

    follow = Follow(Bucket(adapted("de")), node(tmp_path), set(), load)
    follow.look()
    follow.look()
    follow.look()
    assert tries == ["de", "de"]
    assert "OSError" in capfd.readouterr().err


def test_the_command_line_holds_no_key_and_lora_only_where_wanted(tmp_path: Path) -> None:
    told = node(tmp_path)
    words = command(told, {"de": tmp_path / "llama/adapters/de"})
    assert words[:3] == ["vllm", "serve", str(tmp_path / "llama")]
    assert words[words.index("--lora-modules") + 1] == f"de={tmp_path}/llama/adapters/de"
    assert words[words.index("--max-loras") + 1] == "2"
    assert "--api-key" not in words
    assert not any("lora" in word for word in command(replace(told, adapters=0), {}))


def test_a_node_is_told_by_variables(tmp_path: Path) -> None:
    told = {
        "NODE_BUCKET": "models", "NODE_PREFIX": PREFIX, "NODE_MODEL": "llama", "NODE_FOLDER": str(tmp_path),
        "NODE_PORT": "8000", "NODE_CONTEXT_TOKENS": "8192", "NODE_LORA_ADAPTERS": "2", "NODE_STOP_S": "60",
    }  # fmt: skip
    assert Node.told(told) == node(tmp_path)
    with pytest.raises(KeyError, match="NODE_BUCKET"):
        Node.told({})
