"""The one asset of all functions: the product's packages and what they import, as a zip that is the same everywhere.

`full` adds the wheels for Lambda's processor, from the versions and hashes of the lock, without a container engine.
`sources` leaves them out: for checks without a network, and for local hosts that bring their own packages.
The hash that CloudFormation compares is made of the contents, never of times, places or compressed bytes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
CACHE: Final = ROOT / "build" / "functions"
MODES: Final = ("full", "sources")

PACKAGES: Final = ("router_core", "agents", "edge_runtime", "gateway")
LEFT_OUT: Final = ("gateway/cli", "gateway/sandbox", "edge_runtime/training")
"""Not run by a function: the command line, the stand-ins, and how the device model was made."""
PYTHON: Final = "3.14"
PLATFORM: Final = "aarch64-manylinux_2_28"
WHEELS: Final = ("lambda.in",)
"""Lists of packages whose wheels every asset holds."""
THINKING: Final = "lambda-deliberation.in"
"""What only functions need that ask models about their decisions."""
BOUNDS: Final = ("lambda-overrides.in", "dev.txt")
UNPACKED_LIMIT_BYTES: Final = 250 * 1024 * 1024
CERTIFICATES: Final = "deploy/rds-ca.pem"
"""Whom a region's databases are vouched for by. AWS publishes it; whoever builds fetches it (docs/async.md)."""
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_FILE_MODE: Final = 0o100644 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A finished zip, the hash of what went into it, and how big it is on Lambda's disk."""

    path: Path
    sha256: str
    unpacked_bytes: int


def bundle(mode: str, cache: Path = CACHE, *, thinking: bool = False) -> Bundle:
    """The asset, from `cache` when nothing that goes into it has changed; `thinking`: with the wheels of `THINKING`, too."""
    if mode not in MODES:
        raise ValueError(f"-c bundle={mode}: choose one of {', '.join(MODES)}")
    lists = (*WHEELS, THINKING) if thinking else WHEELS
    digest = _digest(mode, lists)
    path = cache / f"{mode}-{digest[:16]}.zip"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as work:
            _write(mode, Path(work), path, lists)
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > UNPACKED_LIMIT_BYTES:
        raise ValueError(
            f"the functions' asset has {unpacked:,} bytes, Lambda takes {UNPACKED_LIMIT_BYTES:,}"
        )
    return Bundle(path=path, sha256=digest, unpacked_bytes=unpacked)


def product_files(root: Path = ROOT) -> Iterator[tuple[str, Path]]:
    """Names in the asset and where the files are, in order."""
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*")):
            name = path.relative_to(root).as_posix()
            left_out = any(name.startswith(f"{folder}/") for folder in LEFT_OUT)
            if path.is_file() and not left_out and "__pycache__" not in path.parts:
                yield name, path
    certificates = root / CERTIFICATES
    if certificates.is_file():
        yield certificates.name, certificates


def _digest(mode: str, lists: tuple[str, ...]) -> str:
    digest = hashlib.sha256(f"{mode} {PYTHON} {PLATFORM}".encode())
    for name, path in product_files():
        digest.update(f"\0{name}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    for name in (*lists, *BOUNDS) if mode == "full" else ():
        digest.update((ROOT / "requirements" / name).read_bytes())
    return digest.hexdigest()


def _write(mode: str, work: Path, path: Path, lists: tuple[str, ...]) -> None:
    files = dict(product_files())
    if mode == "full":
        wheels = work / "wheels"
        _install(wheels, lists)
        files |= {entry.relative_to(wheels).as_posix(): entry for entry in _installed(wheels)}
    unfinished = work / path.name
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = _FILE_MODE
            with files[name].open("rb") as source, archive.open(entry, "w") as target:
                shutil.copyfileobj(source, target)
    os.replace(unfinished, path)


def _installed(wheels: Path) -> Iterator[Path]:
    """Without the programs that packages bring and the notes that the installer leaves."""
    for path in wheels.rglob("*"):
        inside = path.relative_to(wheels).parts
        if path.is_file() and inside[0] != "bin" and path.name not in (".lock", "uv_cache.json", "INSTALLER"):
            yield path


def _install(target: Path, lists: tuple[str, ...]) -> None:
    folder = ROOT / "requirements"
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--target", str(target)]
    command += ["--python-platform", PLATFORM, "--python-version", PYTHON, "--only-binary", ":all:"]
    for name in lists:
        command += ["-r", str(folder / name)]
    command += ["-c", str(folder / "dev.txt")]
    command += ["--overrides", str(folder / "lambda-overrides.in"), "--no-compile-bytecode"]
    subprocess.run(command, check=True)  # noqa: S603 - a fixed command, no shell
