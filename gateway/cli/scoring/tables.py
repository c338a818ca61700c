"""Where the tables are, and how long work on them shows that it goes on."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from router_core.errors import ConfigurationError


def data_folder(options: argparse.Namespace) -> Path:
    """The folder that was named. Raises `ConfigurationError` when there is none, or what reads it is missing."""
    named = options.data or os.environ.get("TIERWISE_ROUTING_DATA")
    if not named:
        raise ConfigurationError("name the folder of tables: --data DIR or TIERWISE_ROUTING_DATA")
    folder = Path(named)
    if not folder.is_dir():
        raise ConfigurationError(f"{folder}: no such folder")
    if find_spec("pyarrow") is None:
        raise ConfigurationError("tables of judged answers need pyarrow: pip install 'tierwise[scorer]'")
    return folder


@contextmanager
def shown_progress(title: str) -> Iterator[Callable[[float, str], None]]:
    """A bar on a terminal, nothing in a pipe; takes the share that is done and what is being done."""
    if not sys.stderr.isatty():
        yield lambda share, what: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=1.0)
        yield lambda share, what: bar.update(task, completed=share, description=f"{title}: {what}")
