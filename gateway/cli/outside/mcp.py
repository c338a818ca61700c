"""`tierwise mcp`: the tools over standard input and output, for an agent that starts this command.

They are those of `/mcp`, from one list. The key is TIERWISE_KEY of whoever starts it; standard output belongs to the
protocol, so nothing else is written there.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from gateway.cli.client import Client, GatewayError, client_from
from gateway.http.mcp.tools import Ask, NotToldError
from router_core.errors import ConfigurationError


def run(options: argparse.Namespace) -> int:
    """Serve until standard input closes. Raises `ConfigurationError`."""
    if find_spec("mcp") is None:
        raise ConfigurationError("tierwise mcp needs its package: pip install 'tierwise[deliberation]'")
    asyncio.run(serve(client_from(options.url, os.environ)))
    return 0


async def serve(client: Client) -> None:
    """The server, on standard input and output."""
    from mcp.server.stdio import stdio_server

    from gateway.http.mcp.server import tool_server

    server = tool_server(lambda: asking(client), "")
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


def asking(client: Client) -> Ask:
    """The way to the gateway over the network, on a thread."""

    async def ask(method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        try:
            return await asyncio.to_thread(client.call, method, path, body)
        except GatewayError as error:
            raise NotToldError(str(error)) from None

    return ask
