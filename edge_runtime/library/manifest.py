"""The signed manifest of one version of a model: which files, how large, which sum, under which licence, for how much memory."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from edge_runtime.protocol.envelope import MANIFEST_TYPE, SignatureError, Trust

MAX_FILES: Final = 64
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


class ManifestError(Exception):
    """Not signed by a trusted key, or it names what no model has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """`document` is the manifest as signed; it becomes the folder's own `manifest.json`."""

    name: str
    version: str
    licence: str
    min_ram_mb: int
    files: Mapping[str, File]
    document: bytes

    @property
    def size_bytes(self) -> int:
        return sum(each.bytes for each in self.files.values())


def read_signed(envelope: bytes, trust: Trust) -> Manifest:
    """Raises `ManifestError`."""
    try:
        payload = trust.open(envelope, MANIFEST_TYPE)
        return _manifest(payload, json.loads(payload))
    except SignatureError as error:
        raise ManifestError(str(error)) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ManifestError("the manifest cannot be read") from error


def _manifest(payload: bytes, document: Mapping[str, Any]) -> Manifest:
    files = {
        _plain(name): File(bytes=_count(each["bytes"]), sha256=_sum(each["sha256"]))
        for name, each in document["files"].items()
    }
    if not 0 < len(files) <= MAX_FILES or "manifest.json" in files:
        raise ManifestError("the manifest names too many files, none, or itself")
    return Manifest(
        name=_plain(document["name"]),
        version=_plain(document["version"]),
        licence=str(document["licence"]),
        min_ram_mb=_count(document.get("min_ram_mb", 0)),
        files=files,
        document=payload,
    )


def _plain(name: object) -> str:
    """A name that stays inside its folder on every system."""
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name.endswith("."):
        raise ManifestError("the manifest holds a name that is no plain file name")
    return name


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ManifestError("the manifest holds a size that is none")
    return value


def _sum(value: object) -> str:
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        raise ManifestError("the manifest holds a checksum that is none")
    return value
