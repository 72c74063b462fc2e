"""What the running server lists, for files that describe it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import mcp_types as types
from mcp import Client, StdioServerParameters

from customerio_track_mcp.sandbox import SANDBOX_API_KEY, SANDBOX_SITE_ID


@dataclass(frozen=True, slots=True)
class ServerLists:
    """The server's lists.

    Attributes:
        tools: what `tools/list` returns.
        has_prompts: whether the server offers prompts.
    """

    tools: Sequence[types.Tool]
    has_prompts: bool


async def read_server_lists() -> ServerLists:
    """Start the server over stdio, and ask it for its lists."""
    env = {name: value for name, value in os.environ.items() if not name.upper().startswith("CUSTOMERIO_")}
    # Nothing is sent with them; without any, the server would report that on stderr.
    env |= {"CUSTOMERIO_API_KEY": f"{SANDBOX_SITE_ID}:{SANDBOX_API_KEY}", "CUSTOMERIO_SECRETS_DIR": os.devnull}
    server = StdioServerParameters(command=sys.executable, args=["-P", "-m", "customerio_track_mcp"], env=env)
    async with Client(server) as client:
        capabilities = client.server_capabilities
        has_prompts = capabilities is not None and capabilities.prompts is not None
        return ServerLists((await client.list_tools()).tools, has_prompts)
