"""`tierwise models list`: the device models here with their intents, and the models there is dated data about."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from gateway.cli.output import print_json, print_table
from gateway.settings.loading import load
from router_core.adapters.data_files import load_data


def run(options: argparse.Namespace) -> int:
    """Print the list. Raises `ConfigurationError` for data files that cannot be read."""
    settings = load(options.config, os.environ)
    data = load_data(settings.data.models, settings.data.regions)
    device = device_models()
    known = [dict(entry) for entry in data.models]
    if options.json:
        print_json({"device": device, "known": known, "known_date": data.models_date})
        return 0
    print_table(
        ("device model", "version", "MB", "intents"),
        [
            (
                one["name"],
                one["version"],
                f"{one['size_bytes'] / 1e6:.1f}",
                ", ".join(one["catalogue"].get("intents", {})),
            )
            for one in device
        ],
    )
    print_table(
        ("known model", "kinds", "USD in/out per Mtok", "context", "modalities", "tools"),
        [
            (
                one["name"],
                ", ".join(one["kinds"]),
                f"{one['price_in']:g} / {one['price_out']:g}",
                one["context_tokens"],
                ", ".join(one["modalities"]),
                "yes" if one["tools"] else "no",
            )
            for one in known
        ],
        title=f"data of {data.models_date}",
    )
    return 0


def device_models() -> list[dict[str, Any]]:
    """Models in the store, each with its intent catalogue: intents, slots, types and units."""
    from edge_runtime.store import ModelStore

    return [
        {
            "name": model.name,
            "version": model.version,
            "size_bytes": model.size_bytes,
            "folder": str(model.folder),
            "catalogue": _catalogue(model.folder),
        }
        for model in ModelStore().models()
    ]


def _catalogue(folder: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads((folder / "catalogue.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return document
