"""Our tools as a server of the official SDK, for either transport. Loading it takes a second, so nobody does before it is needed.

The SDK's low-level server is used: the one above it would also take over the process's logging.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

import mcp_types as types
from mcp.server.lowlevel import Server

from gateway.http.mcp.tools import TOOLS, Ask, told

INSTRUCTIONS: Final = "Where requests go and why. Tools read; `propose` stores a proposal that a person decides on. None changes or executes anything."


def tool_server(ask_of_caller: Callable[[], Ask], version: str) -> Server[Any]:
    """The server. `ask_of_caller` gives the way to the gateway with the key of whoever calls now."""
    # The SDK's own lines hold whole messages.
    logging.getLogger("mcp").setLevel(logging.CRITICAL)

    async def listed(_: Any, __: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[_shown(name) for name in TOOLS])

    async def called(_: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        text = await told(ask_of_caller(), params.name, params.arguments or {})
        return types.CallToolResult(content=[types.TextContent(type="text", text=text)])

    return Server(
        "tierwise",
        version=version,
        instructions=INSTRUCTIONS,
        on_list_tools=listed,
        on_call_tool=called,
    )


def _shown(name: str) -> types.Tool:
    tool = TOOLS[name]
    return types.Tool(
        name=name,
        description=tool.meaning,
        input_schema=tool.schema,
        annotations=types.ToolAnnotations(
            read_only_hint=tool.reads, destructive_hint=False, open_world_hint=False
        ),
    )
