"""`tierwise models list`: the device models here with their intents, the models there is dated data about, and those in
the models bucket; `pull` fetches one of these, or a signed one by its address."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from gateway.cli.edge import library
from gateway.cli.output import note, print_json, print_table
from gateway.settings.loading import load
from gateway.settings.schema import Settings
from router_core.adapters.data_files import load_data
from router_core.errors import ConfigurationError

if TYPE_CHECKING:
    from router_core.adapters.aws.s3_models import S3Models


def run(options: argparse.Namespace) -> int:
    """Do one action. Raises `ConfigurationError` for data files that cannot be read and models that are refused,
    `StoreError` for a bucket."""
    if options.action in ("verify", "evict") or (options.action == "pull" and "://" in options.key):
        status: int = getattr(library, options.action)(options)
        return status
    settings = load(options.config, os.environ)
    return pull(settings, options) if options.action == "pull" else show(settings, options)


def show(settings: Settings, options: argparse.Namespace) -> int:
    """Print the list."""
    data = load_data(settings.data.models, settings.data.regions)
    device = device_models()
    known = [dict(entry) for entry in data.models]
    in_bucket, lying = stored(settings), library.installed(options.library) if options.library else []
    told = {"device": device, "known": known, "known_date": data.models_date, "stored": in_bucket}
    if options.json:
        print_json({**told, "library": lying})
        return 0
    _tables(told)
    if options.library:
        library.show(lying, options.library)
    if in_bucket:
        print_table(
            ("stored model", "MB", "modified"),
            [(one["key"], f"{one['size_bytes'] / 1e6:.1f}", one["modified"]) for one in in_bucket],
            title=f"bucket {settings.stores.models}",
        )
    return 0


def _tables(told: Mapping[str, Any]) -> None:
    """The models that the package brings, and those it has dated data about."""
    print_table(
        ("device model", "version", "MB", "intents"),
        [
            (
                one["name"],
                one["version"],
                f"{one['size_bytes'] / 1e6:.1f}",
                ", ".join(one["catalogue"].get("intents", {})),
            )
            for one in told["device"]
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
            for one in told["known"]
        ],
        title=f"data of {told['known_date']}",
    )


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


def stored(settings: Settings) -> list[dict[str, Any]]:
    """The bucket's objects; none where no bucket is named. Raises `StoreError`."""
    if settings.stores.models is None:
        return []
    return [
        {"key": one.key, "size_bytes": one.size_bytes, "modified": one.modified.isoformat()}
        for one in _bucket(settings).list()
    ]


def pull(settings: Settings, options: argparse.Namespace) -> int:
    """Fetch `options.key` to `options.to`. Raises `StoreError`, `ConfigurationError` and OSError."""
    to = Path(options.to or PurePosixPath(options.key).name)
    bucket = _bucket(settings)
    note(f"fetching {options.key}")
    sha256 = bucket.download(options.key, to, expected_sha256=options.sha256)
    if options.json:
        print_json({"key": options.key, "file": str(to), "sha256": sha256})
    else:
        note(f"{to}: sha256 {sha256}")
    return 0


def _bucket(settings: Settings) -> S3Models:
    if settings.stores.models is None:
        raise ConfigurationError("settings: stores.models names no bucket")
    if find_spec("boto3") is None:
        raise ConfigurationError("settings: stores.models needs its package: pip install 'tierwise[aws]'")
    from router_core.adapters.aws.client import aws_client
    from router_core.adapters.aws.s3_models import S3Models

    return S3Models(aws_client("s3", read_s=20.0), settings.stores.models)
