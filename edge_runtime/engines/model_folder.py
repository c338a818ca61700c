"""What a model folder must hold, and the check that nothing in it was changed or cut short."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge_runtime.nlu.catalogue import Catalogue, load_catalogue

MANIFEST = "manifest.json"
MODEL, TOKENIZER, LABELS, CATALOGUE = "model.onnx", "tokenizer.json", "labels.json", "catalogue.json"
LANGUAGE = "genai_config.json"
REQUIRED = (MODEL, TOKENIZER, LABELS, CATALOGUE)


class ModelFolderError(Exception):
    """The folder cannot be used: a file is missing, altered, or not readable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Weights of the confidence, and the threshold below which the model says it does not know. ``thresholds``: the
    confidence from which at most a share of the accepted answers was wrong, by share."""

    intent_weight: float
    tag_weight: float
    command_weight: float
    bias: float
    threshold: float
    thresholds: Mapping[float, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """Names behind the output positions of the network."""

    intents: tuple[str, ...]
    tags: tuple[str, ...]
    tasks: tuple[str, ...]
    personal: tuple[str, ...]
    calibration: Calibration


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFolder:
    model: Path
    tokenizer: Path
    labels: Labels
    catalogue: Catalogue
    manifest: Mapping[str, Any]


def sha256_of(path: Path) -> str:
    """Hex digest, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def read_manifest(folder: Path) -> Mapping[str, Any]:
    """Raises ``ModelFolderError`` when there is none or it is not a manifest."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelFolderError(f"{folder.name}: no readable {MANIFEST}") from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        raise ModelFolderError(f"{folder.name}: {MANIFEST} lists no files")
    return manifest


def verify_files(folder: Path) -> Mapping[str, Any]:
    """The manifest, after every listed file was hashed. Raises ``ModelFolderError`` naming the file."""
    manifest = read_manifest(folder)
    for name, entry in manifest["files"].items():
        path = folder / name
        if Path(name).name != name or not path.is_file():
            raise ModelFolderError(f"{folder.name}: {name} is missing")
        if path.stat().st_size != entry["bytes"] or sha256_of(path) != entry["sha256"]:
            raise ModelFolderError(f"{folder.name}: {name} does not match its checksum")
    return manifest


def verify_folder(folder: Path) -> Mapping[str, Any]:
    """The manifest of a whole model of a kind that some engine runs. Raises ``ModelFolderError``."""
    manifest = verify_files(folder)
    required = REQUIRED if LANGUAGE not in manifest["files"] else (LANGUAGE, TOKENIZER)
    missing = [name for name in required if name not in manifest["files"]]
    if missing:
        raise ModelFolderError(f"{folder.name}: {', '.join(missing)} not in {MANIFEST}")
    return manifest


def _calibration(document: Mapping[str, Any]) -> Calibration:
    table = {float(share): float(limit) for share, limit in document["thresholds"].items()}
    return Calibration(**{**document, "thresholds": table})


def open_folder(folder: Path, *, verify: bool = True) -> ModelFolder:
    """Raises ``ModelFolderError``; ``verify=False`` skips the hashes (a caller just made them)."""
    manifest = verify_folder(folder) if verify else read_manifest(folder)
    try:
        document = json.loads((folder / LABELS).read_text(encoding="utf-8"))
        labels = Labels(
            intents=tuple(document["intents"]),
            tags=tuple(document["tags"]),
            tasks=tuple(document["tasks"]),
            personal=tuple(document["personal"]),
            calibration=_calibration(document["calibration"]),
        )
        catalogue = load_catalogue(folder / CATALOGUE)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelFolderError(f"{folder.name}: labels or catalogue not readable") from error
    return ModelFolder(
        model=folder / MODEL,
        tokenizer=folder / TOKENIZER,
        labels=labels,
        catalogue=catalogue,
        manifest=manifest,
    )
