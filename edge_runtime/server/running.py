"""Runs the local server in this process until it is told to stop."""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path

import uvicorn

from edge_runtime.engines.model_folder import ModelFolderError
from edge_runtime.opening import open_folder
from edge_runtime.server.app import EdgeServer
from router_core.errors import ConfigurationError


async def serve_model(folder: Path, *, host: str, port: int, key: str | None, queue: int) -> None:
    """Says `tierwise edge ready on URL` on stdout once it listens. Raises `ConfigurationError` for a folder that is no
    whole model."""
    try:
        opened = await asyncio.to_thread(open_folder, folder, limit=queue)
    except ModelFolderError as error:
        raise ConfigurationError(str(error)) from error
    except ImportError as error:
        raise ConfigurationError(
            "a language model needs its package: pip install 'tierwise[genai]'"
        ) from error
    app = EdgeServer(
        opened.model,
        folder.name,
        key=key,
        task=opened.task,
        at_once=opened.at_once,
        probe=opened.probe,
    )
    config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off")
    with socket.create_server(
        (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET
    ) as listening:
        shown = f"[{host}]" if ":" in host else host
        sys.stdout.write(f"tierwise edge ready on http://{shown}:{listening.getsockname()[1]}\n")
        sys.stdout.flush()
        try:
            await uvicorn.Server(config).serve([listening])
        finally:
            opened.owner.close()
