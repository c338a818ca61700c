"""Which versions of a model lie here, which one serves, and which is on trial: installed whole or not at all.

A version arrives in a folder beside and gets its place by one rename, after every file was checked against the signed
manifest. The version that serves is never touched by that.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from edge_runtime.engines.model_folder import MANIFEST, ModelFolderError, verify_folder
from edge_runtime.library.download import DownloadError, Line, fetch, read_small
from edge_runtime.library.manifest import Manifest, ManifestError, read_signed
from edge_runtime.protocol.envelope import Trust
from router_core.signals.fingerprint import stable_fraction

ENVELOPE: Final = "manifest.dsse.json"
STATE: Final = "state.json"
INCOMING: Final = ".incoming"
MARGIN_BYTES: Final = 32 * 1024 * 1024
"""Disk space that must stay free beside a model."""
Mode = Literal["ab", "shadow"]


class RefusedModelError(Exception):
    """This version is not installed; what serves goes on serving. The message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What may be downloaded now. `metered` and `charging` are the platform's word; None is unknown and allows it only
    where no rule asks."""

    wifi_only: bool = True
    charging_only: bool = False
    metered: bool | None = False
    charging: bool | None = None
    memory_mb: int | None = None
    max_bytes: int = 4 * 1024**3

    def refusal(self, manifest: Manifest) -> str | None:
        """Why this model may not come now, or None."""
        if self.wifi_only and self.metered is not False:
            return "not on Wi-Fi"
        if self.charging_only and self.charging is not True:
            return "not charging"
        if manifest.size_bytes > self.max_bytes:
            return f"{manifest.size_bytes} bytes are above the limit of {self.max_bytes}"
        if self.memory_mb is not None and manifest.min_ram_mb > self.memory_mb:
            return f"it needs {manifest.min_ram_mb} MB of memory, this device has {self.memory_mb}"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The version that serves, the one on trial with its share of devices, and those that failed their trial."""

    active: str | None = None
    candidate: str | None = None
    share: float = 0.0
    mode: Mode = "ab"
    failed: tuple[str, ...] = ()


class Versions:
    """`root/NAME/VERSION/...`. `free_bytes` tells the disk space left; not for several processes at once."""

    def __init__(
        self,
        root: Path,
        trust: Trust,
        free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    ) -> None:
        self._root, self._trust, self._free = root, trust, free_bytes
        self._known: dict[str, tuple[tuple[int, int], Standing]] = {}
        root.mkdir(parents=True, exist_ok=True)

    def pull(self, url: str, conditions: Conditions, line: Line | None = None) -> Manifest:
        """Fetch and install the version whose folder is at `url`, which holds `manifest.dsse.json`. Interrupted, it goes
        on where it was. Raises `RefusedModelError`."""
        line = line or Line()
        base = url.rstrip("/")
        try:
            manifest = read_signed(read_small(f"{base}/{ENVELOPE}", 256 * 1024, line), self._trust)
            if (self._root / manifest.name / manifest.version).is_dir():
                return manifest
            self._admit(manifest, conditions)
            coming = self._root / INCOMING / f"{manifest.name}-{manifest.version}"
            for name, wanted in manifest.files.items():
                if not self._there(coming / name, wanted.bytes):
                    fetch(f"{base}/{name}", coming / name, wanted, line)
            self._settle(coming, manifest)
        except (ManifestError, DownloadError, OSError) as error:
            raise RefusedModelError(str(error)) from error
        return manifest

    def folder(self, name: str, version: str) -> Path:
        """Where a version lies."""
        return self._root / name / version

    def names(self) -> tuple[str, ...]:
        """Models with a version that serves."""
        return tuple(
            sorted(
                path.parent.name
                for path in self._root.glob(f"*/{STATE}")
                if self.standing(path.parent.name).active
            )
        )

    def installed(self) -> tuple[tuple[str, str], ...]:
        """Every version that lies here whole, as (name, version)."""
        found = self._root.glob(f"*/*/{MANIFEST}")
        return tuple(
            sorted(
                (path.parent.parent.name, path.parent.name) for path in found if INCOMING not in path.parts
            )
        )

    def standing(self, name: str) -> Standing:
        """What serves and what is on trial."""
        file = self._root / name / STATE
        try:
            told = file.stat()
            seen = (told.st_ino, told.st_mtime_ns)
            known = self._known.get(name)
            if known is None or known[0] != seen:
                found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
                standing = Standing(**{**found, "failed": tuple(found.get("failed", ()))})
                known = self._known[name] = (seen, standing)
        except (OSError, ValueError, TypeError):
            return Standing()
        return known[1]

    def activate(self, name: str, version: str) -> None:
        """This version serves from now on; nothing is on trial any more. Raises `RefusedModelError`."""
        self._verified(name, version)
        self._write(name, replace(self.standing(name), active=version, candidate=None, share=0.0))

    def try_out(self, name: str, version: str, share: float, mode: Mode = "ab") -> None:
        """Put a version on trial. Raises `RefusedModelError` for one that failed before."""
        standing = self.standing(name)
        if version in standing.failed:
            raise RefusedModelError(f"{name} {version} failed its trial on this device")
        self._verified(name, version)
        self._write(name, replace(standing, candidate=version, share=share, mode=mode))

    def roll_back(self, name: str) -> None:
        """The candidate failed: it is not tried again here."""
        standing = self.standing(name)
        if standing.candidate is not None:
            failed = (*standing.failed, standing.candidate)
            self._write(name, replace(standing, candidate=None, share=0.0, failed=failed))

    def chosen(self, name: str, device_id: str) -> str | None:
        """The version that answers on this device: the same every time, by hash of the device."""
        standing = self.standing(name)
        drawn = stable_fraction(f"{name}:{standing.candidate}:{device_id}")
        if standing.candidate is not None and standing.mode == "ab" and drawn < standing.share:
            return standing.candidate
        return standing.active

    def evict(self, name: str, version: str) -> None:
        """Delete a version that neither serves nor is on trial. Raises `RefusedModelError`."""
        standing = self.standing(name)
        if version in (standing.active, standing.candidate):
            raise RefusedModelError(f"{name} {version} is in use")
        folder = self.folder(name, version)
        if not (folder / MANIFEST).is_file():
            raise RefusedModelError(f"there is no {name} {version}")
        shutil.rmtree(folder)

    def _admit(self, manifest: Manifest, conditions: Conditions) -> None:
        why = conditions.refusal(manifest)
        if why is None and self._free(self._root) < manifest.size_bytes + MARGIN_BYTES:
            why = "too little disk space"
        if why is not None:
            raise RefusedModelError(f"{manifest.name} {manifest.version}: {why}")

    @staticmethod
    def _there(file: Path, size: int) -> bool:
        """Whether an earlier try ended this file; the whole folder is checked once more at the end."""
        return file.is_file() and file.stat().st_size == size

    def _settle(self, coming: Path, manifest: Manifest) -> None:
        (coming / MANIFEST).write_bytes(manifest.document)
        try:
            verify_folder(coming)
        except ModelFolderError as error:
            shutil.rmtree(coming, ignore_errors=True)
            raise RefusedModelError(str(error)) from error
        place = self.folder(manifest.name, manifest.version)
        place.parent.mkdir(parents=True, exist_ok=True)
        os.replace(coming, place)

    def _verified(self, name: str, version: str) -> None:
        try:
            verify_folder(self.folder(name, version))
        except ModelFolderError as error:
            raise RefusedModelError(str(error)) from error

    def _write(self, name: str, standing: Standing) -> None:
        file = self._root / name / STATE
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh = file.with_suffix(".new")
        document: Mapping[str, Any] = asdict(standing)
        fresh.write_text(json.dumps(document), encoding="utf-8")
        os.replace(fresh, file)
