"""Writes the model folder: labels, catalogue, licence notice and the manifest with every checksum."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edge_runtime.engines.model_folder import (
    CATALOGUE,
    LABELS,
    MANIFEST,
    MODEL,
    TOKENIZER,
    Calibration,
    sha256_of,
)
from edge_runtime.nlu.catalogue import SOURCE
from edge_runtime.training.features import Names

NOTICE = "NOTICE"
NOTICE_TEXT = """intent-v1

Copyright 2026 The Tierwise authors. Licensed under the Apache License, Version 2.0.

This model is a derivative of sentence-transformers/all-MiniLM-L6-v2 (Apache License, Version 2.0),
which is itself derived from nreimers/MiniLM-L6-H384-uncased and microsoft/MiniLM-L12-H384-uncased.
Changes: layers 0, 2, 4 and 5 of six, 12,000 of 30,522 vocabulary pieces, four added heads and one
projection, fine-tuning on sentences made by this repository's generator, and 8-bit quantisation.
"""
UNCALIBRATED = Calibration(intent_weight=1.0, tag_weight=0.0, command_weight=0.0, bias=0.0, threshold=0.5)
MIN_RAM_MB = 128


def write_labels(folder: Path, names: Names, calibration: Calibration) -> None:
    document = {**asdict(names), "calibration": asdict(calibration)}
    (folder / LABELS).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def write_side_files(folder: Path, tokenizer_json: str) -> None:
    (folder / TOKENIZER).write_text(tokenizer_json, encoding="utf-8")
    shutil.copyfile(SOURCE, folder / CATALOGUE)
    (folder / NOTICE).write_text(NOTICE_TEXT, encoding="utf-8")


def write_manifest(folder: Path, training: Mapping[str, Any], evaluation: Mapping[str, Any]) -> None:
    """Call last: it hashes what stands in the folder."""
    files: dict[str, dict[str, Any]] = {
        name: {"bytes": (folder / name).stat().st_size, "sha256": sha256_of(folder / name)}
        for name in (MODEL, TOKENIZER, LABELS, CATALOGUE, NOTICE)
    }
    manifest = {
        "schema": 1,
        "name": "intent-v1",
        "version": "2.0.0",
        "kind": "onnx-intent",
        "licence": "Apache-2.0",
        "derived_from": "sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0)",
        "min_ram_mb": MIN_RAM_MB,
        "embedding_dimensions": 384,
        "size_bytes": sum(int(entry["bytes"]) for entry in files.values()),
        "files": files,
        "training": dict(training),
        "evaluation": dict(evaluation),
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
