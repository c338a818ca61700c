"""`tierwise mcp`: the tools over standard input and output, for an agent that starts this command.

The key is TIERWISE_KEY of whoever starts it; standard output belongs to the protocol, so nothing else is written there.
"""

from __future__ import annotations

import argparse
import os
from importlib.util import find_spec

from gateway.cli.client import Client, client_from
from gateway.cli.outside.tools import tools
from router_core.errors import ConfigurationError


def run(options: argparse.Namespace) -> int:
    """Serve until standard input closes. Raises `ConfigurationError`."""
    if find_spec("mcp") is None:
        raise ConfigurationError("tierwise mcp needs its package: pip install 'tierwise[deliberation]'")
    serve(client_from(options.url, os.environ))
    return 0


def serve(client: Client) -> None:
    """The server, on standard input and output."""
    from mcp.server import MCPServer
    from mcp.types import ToolAnnotations

    server = MCPServer(
        name="tierwise",
        instructions="Where requests go and why. Tools read; none changes or executes anything.",
        log_level="ERROR",
    )
    reads = ToolAnnotations(read_only_hint=True, destructive_hint=False, open_world_hint=False)
    for name, (meaning, ask) in tools(client).items():
        server.tool(name=name, description=meaning, annotations=reads)(ask)
    server.run("stdio")
