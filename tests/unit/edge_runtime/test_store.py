"""The model store: what it lists, what it refuses, when a model is hot."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from edge_runtime.engines.model_folder import ModelFolderError
from edge_runtime.engines.onnx_intent import OnnxIntentEngine
from edge_runtime.store import SHIPPED, ModelStore


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A store of its own with the shipped model in it."""
    shutil.copytree(SHIPPED / "intent-v1", tmp_path / "intent-v1")
    return tmp_path


def test_the_shipped_model_is_listed_whole_and_within_its_size() -> None:
    (model,) = ModelStore().models()
    assert model.name == "intent-v1" == model.manifest["name"]
    assert ModelStore().verify("intent-v1") == model
    assert model.size_bytes == model.manifest["size_bytes"] <= 25 * 1_000_000
    assert "Apache-2.0" in model.manifest["licence"] and "MiniLM" in model.manifest["derived_from"]


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "labels.json", "catalogue.json"])
def test_a_changed_byte_in_any_file_is_refused_by_name(copy: Path, name: str) -> None:
    file = copy / "intent-v1" / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))
    with pytest.raises(ModelFolderError, match=name.replace(".", r"\.")):
        OnnxIntentEngine.load(copy / "intent-v1")
    with pytest.raises(ModelFolderError):
        ModelStore(copy).verify("intent-v1")


def test_a_missing_file_and_a_manifest_without_it_are_refused(copy: Path) -> None:
    folder = copy / "intent-v1"
    (folder / "labels.json").unlink()
    with pytest.raises(ModelFolderError, match=r"labels\.json is missing"):
        OnnxIntentEngine.load(folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["files"]["labels.json"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ModelFolderError, match=r"labels\.json not in"):
        OnnxIntentEngine.load(folder)


@pytest.mark.parametrize("name", ["../intent-v1", "", "nothing", "/etc", ".."])
def test_a_name_that_is_no_model_is_refused(name: str) -> None:
    with pytest.raises(ModelFolderError):
        ModelStore().verify(name)


def test_a_manifest_cannot_name_files_outside_its_folder(copy: Path) -> None:
    path = copy / "intent-v1" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"]["../secret"] = {"bytes": 1, "sha256": "0" * 64}
    path.write_text(json.dumps(manifest))
    with pytest.raises(ModelFolderError, match="missing"):
        ModelStore(copy).verify("intent-v1")


def test_the_catalogue_of_a_stored_model_names_intents_types_and_units(copy: Path) -> None:
    catalogue = ModelStore(copy).catalogue("intent-v1")
    assert catalogue.document["types"]["duration"]["unit"] == "s"
    assert catalogue.intents["set_timer"].slots["duration_s"].required
    (copy / "intent-v1" / "catalogue.json").write_text("[")
    with pytest.raises(ModelFolderError, match="catalogue"):
        ModelStore(copy).catalogue("intent-v1")


def test_a_model_is_cold_then_hot_then_warm_and_loaded_once() -> None:
    store, loads = ModelStore(), []

    class Session:
        def parse(self, text: str) -> str:
            return text

    def load(folder: Path) -> Session:
        loads.append(folder.name)
        return Session()

    assert store.warmth("intent-v1") == "cold"
    assert store.heat("intent-v1", load) is store.heat("intent-v1", load)
    assert (store.warmth("intent-v1"), loads) == ("hot", ["intent-v1"])
    store.cool("intent-v1")
    assert store.warmth("intent-v1") == "warm"
