"""`tierwise models pull URL | verify | evict`: device models by hand."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from gateway.cli.output import note, print_json
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
