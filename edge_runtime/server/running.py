"""Runs the local server in this process until it is told to stop."""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path

import uvicorn

from edge_runtime.device_model import OnnxDeviceModel
from edge_runtime.engines.model_folder import ModelFolderError
from edge_runtime.engines.onnx_intent import OnnxIntentEngine
from edge_runtime.engines.owner import OwnerThread
from edge_runtime.server.app import EdgeServer
from router_core.errors import ConfigurationError


async def serve_model(folder: Path, *, host: str, port: int, key: str | None, queue: int) -> None:
    """Says `tierwise edge ready on URL` on stdout once it listens. Raises `ConfigurationError` for a folder that is no
    whole model."""
    try:
        engine = await asyncio.to_thread(OnnxIntentEngine.load, folder)
    except ModelFolderError as error:
        raise ConfigurationError(str(error)) from error
    owner = OwnerThread(limit=queue)
    app = EdgeServer(OnnxDeviceModel(engine, owner), folder.name, key=key)
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
            owner.close()
