"""`tierwise models pull URL | list --library | verify | evict`: device models by hand."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from gateway.cli.output import note, print_json, print_table
from router_core.errors import ConfigurationError


def pull(options: argparse.Namespace) -> int:
    """Fetch a signed model into a library; whoever types this has chosen the moment, so no rule about Wi-Fi asks.
    Raises `ConfigurationError` for what is refused."""
    from edge_runtime.library.download import Line
    from edge_runtime.library.versions import Conditions, RefusedModelError, Versions
    from edge_runtime.protocol.envelope import Trust

    if not options.library or not options.trust:
        raise ConfigurationError("an address needs --library DIR and --trust KEY")
    library = Versions(Path(options.library), Trust(options.trust))
    try:
        with _bar() as progress:
            manifest = library.pull(options.key, Conditions(wifi_only=False), Line(progress=progress))
        if options.activate:
            library.activate(manifest.name, manifest.version)
    except RefusedModelError as error:
        raise ConfigurationError(f"not installed: {error}") from error
    told = {"name": manifest.name, "version": manifest.version, "bytes": manifest.size_bytes}
    _say(
        options,
        told,
        f"{manifest.name} {manifest.version}: {manifest.size_bytes / 1e6:.1f} MB, {manifest.licence}",
    )
    return 0


def installed(root: str) -> list[dict[str, Any]]:
    """What lies in a library: which versions, how large, which engine runs them, and which one answers. Raises
    `ConfigurationError` for a folder that is not there."""
    from edge_runtime.engines.model_folder import LANGUAGE, read_manifest
    from edge_runtime.library.versions import Versions
    from edge_runtime.protocol.envelope import Trust

    if not Path(root).is_dir():
        raise ConfigurationError(f"there is no library {root}")
    library, found = Versions(Path(root), Trust(())), []
    for name, version in library.installed():
        manifest = read_manifest(library.folder(name, version))
        found.append(
            {
                "name": name,
                "version": version,
                "size_bytes": sum(int(each["bytes"]) for each in manifest["files"].values()),
                "engine": "language" if LANGUAGE in manifest["files"] else "commands",
                "licence": str(manifest.get("licence", "")),
                "min_ram_mb": manifest.get("min_ram_mb"),
                "state": _state(library.standing(name), version),
            }
        )
    return found


def show(models: list[dict[str, Any]], root: str) -> None:
    """Print them."""
    rows = [
        (
            one["name"],
            one["version"],
            f"{one['size_bytes'] / 1e6:.1f}",
            one["engine"],
            one["licence"],
            one["state"],
        )
        for one in models
    ]
    print_table(("model", "version", "MB", "engine", "licence", "state"), rows, title=f"library {root}")


def _state(standing: Any, version: str) -> str:
    if version == standing.active:
        return "serves"
    if version == standing.candidate:
        return f"on trial ({standing.mode}, {standing.share:.0%})"
    return "failed its trial" if version in standing.failed else "installed"


def verify(options: argparse.Namespace) -> int:
    """Raises `ConfigurationError` naming the file that does not match."""
    from edge_runtime.engines.model_folder import ModelFolderError, verify_folder
    from edge_runtime.store import ModelStore

    folder = Path(options.name)
    try:
        manifest = verify_folder(folder) if folder.is_dir() else ModelStore().verify(options.name).manifest
    except ModelFolderError as error:
        raise ConfigurationError(str(error)) from error
    told = {"name": manifest.get("name"), "version": manifest.get("version"), "files": len(manifest["files"])}
    _say(options, told, f"{told['name']} {told['version']}: {told['files']} files match their checksums")
    return 0


def evict(options: argparse.Namespace) -> int:
    """Raises `ConfigurationError` for a version that serves or is not there."""
    from edge_runtime.library.versions import RefusedModelError, Versions
    from edge_runtime.protocol.envelope import Trust

    if Path(options.name).name != options.name or Path(options.version).name != options.version:
        raise ConfigurationError("a name and a version are no paths")
    try:
        Versions(Path(options.library), Trust(())).evict(options.name, options.version)
    except RefusedModelError as error:
        raise ConfigurationError(f"not deleted: {error}") from error
    told = {"name": options.name, "version": options.version}
    _say(options, told, f"{options.name} {options.version} is deleted")
    return 0


def _say(options: argparse.Namespace, told: dict[str, Any], text: str) -> None:
    if options.json:
        print_json(told)
    else:
        note(text)


class _bar:
    """A progress bar on a terminal, nothing elsewhere."""

    def __enter__(self) -> Any:
        from rich.console import Console
        from rich.progress import DownloadColumn, Progress, SpinnerColumn, TransferSpeedColumn

        console = Console(stderr=True)
        self._shown = Progress(
            SpinnerColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            console=console,
            disable=not sys.stderr.isatty(),
        )
        self._shown.start()
        task = self._shown.add_task("fetching", total=None)
        return lambda count: self._shown.advance(task, count)

    def __exit__(self, *_: object) -> None:
        self._shown.stop()
